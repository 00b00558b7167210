"""A big scorer into a small one, on photos that nobody labelled."""
