"""Whatever has fit and predict, and the registry of their names."""
