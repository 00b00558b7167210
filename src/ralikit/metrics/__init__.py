"""Agreement of scores with human opinion, and how far chance reaches."""
