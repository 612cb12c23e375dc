"""A network opened: cells, gradients, contributions, bands."""
