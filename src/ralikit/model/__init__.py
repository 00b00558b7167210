"""The model itself: what a bundle and a file say of it, towers, read-out, and the folded graph."""
