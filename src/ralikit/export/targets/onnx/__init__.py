"""The ONNX target: from a folded scorer to a file that ONNX Runtime and others run."""
