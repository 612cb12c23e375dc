"""The recipe in gatecast and in what one would use otherwise, each a program of its own."""
