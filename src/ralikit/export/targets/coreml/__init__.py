"""The Core ML target: from a folded scorer to an ML program, and checks without a Mac."""
