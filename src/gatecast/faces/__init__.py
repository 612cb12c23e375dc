"""What a person sees: figures, pages, terminal."""
