"""Training: teachers, quality texts, alignment, and the fit of the basis."""
