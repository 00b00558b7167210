"""The ONNX target: from a folded scorer to a file that ONNX Runtime and others run."""

from __future__ import annotations

from ralikit.export.gate import limits
from ralikit.export.targets.target import Precision, Target, automatic

ONNX = Target(
    name="onnx",
    suffix=".onnx",
    modules=("onnx", "onnxscript"),
    extra="export",
    job="Export to ONNX",
    precisions=(
        Precision(name="fp32", stored="float32", computed="float32", limits=limits.FP32),
        Precision(name="fp16", stored="float16", computed="float32", limits=limits.FP16),
        Precision(
            name="int8-weights",
            stored="int8",
            computed="float32",
            calibrated=True,
            limits=limits.INT8_WEIGHTS,
        ),
        Precision(name="int8", stored="int8", computed="int8", calibrated=True, limits=limits.INT8),
        Precision(
            name="int4",
            stored="int4",
            computed="float32",
            calibrated=True,
            asks_tower=True,
            limits=limits.NARROW,
        ),
        automatic(),
    ),
    largest=2**31 - 1,  # protobuf's messages; weights beside the file would be no single artifact
    plans_whole=True,
    converter="ralikit.export.targets.onnx.target",
    checker="ralikit.export.targets.onnx.checks",
)
