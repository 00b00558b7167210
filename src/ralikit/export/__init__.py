"""Export: fold, convert, quantise, prove, publish."""
