"""Self-contained pages made from records and results; nothing on them is typed in by hand."""
