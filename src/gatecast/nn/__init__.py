"""All of torch lives here: cells, encoders, heads, losses, training, sampling, files."""
