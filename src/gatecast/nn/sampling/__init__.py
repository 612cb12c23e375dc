"""One sampler of paths, and what each network sees along them."""
