"""The formats a scorer is exported to, one package each."""
