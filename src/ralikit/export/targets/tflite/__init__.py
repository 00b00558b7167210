"""The TFLite target: from a folded scorer to a file that LiteRT runs on XNNPACK."""
