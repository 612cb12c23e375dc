"""A file a revision of the tables."""
