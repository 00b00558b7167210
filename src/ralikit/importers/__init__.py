"""Weights that others published, read without running anything they carry."""
