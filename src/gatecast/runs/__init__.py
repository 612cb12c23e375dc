"""One use case a file: config and source in, values out; what the command and every other caller calls."""
