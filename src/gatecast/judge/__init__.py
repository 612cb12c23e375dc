"""Evidence: walk-forward tests, scores, tests of significance, and the verdict."""
