"""A search for settings: scored by walk-forward, pruned early, judged on rows that it never saw."""
