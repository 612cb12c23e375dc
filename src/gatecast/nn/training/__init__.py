"""One training loop, and what each network learns from."""
