"""What a converted file is held to: photos, reference scores, limits, checks."""
