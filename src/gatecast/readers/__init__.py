"""From the bytes of any source to a checked PriceTable."""
