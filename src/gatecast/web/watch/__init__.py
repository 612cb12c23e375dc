"""The watch: a forecast of each watched file or ticker every trading day, settled, with calls to a webhook."""
