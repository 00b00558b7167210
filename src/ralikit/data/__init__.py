"""Readers of published datasets, splits and checks."""
