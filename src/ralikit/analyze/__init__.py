"""Looking into trained models: the papers' analyses, repeated."""
