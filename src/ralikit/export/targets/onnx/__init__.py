"""The ONNX target: from a folded scorer to a file that ONNX Runtime and others run."""

from __future__ import annotations

from ralikit.export.targets.common import FLOATS_AND_INTEGERS, INT8_STATIC, int4
from ralikit.export.targets.target import Target, automatic

ONNX = Target(
    name="onnx",
    suffix=".onnx",
    modules=("onnx", "onnxscript"),
    extra="export",
    job="Export to ONNX",
    precisions=(*FLOATS_AND_INTEGERS, INT8_STATIC, int4(computed="float32"), automatic()),
    largest=2**31 - 1,  # protobuf's messages; weights beside the file would be no single artifact
    npu_rules=True,
    plans_whole=True,
    converter="ralikit.export.targets.onnx.target",
    checker="ralikit.export.targets.onnx.checks",
)
