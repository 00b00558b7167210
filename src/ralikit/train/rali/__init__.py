"""RALI: from photos, scores and texts to a bundle."""
