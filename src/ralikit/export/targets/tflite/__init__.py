"""The TFLite target: from a folded scorer to a file that LiteRT runs on XNNPACK."""

from __future__ import annotations

from ralikit.export.targets.common import FLOATS_AND_INTEGERS, INT8_STATIC, int4
from ralikit.export.targets.target import Target, automatic

TFLITE = Target(
    name="tflite",
    suffix=".tflite",
    modules=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
    extra="tflite",
    job="Export to TFLite",
    precisions=(*FLOATS_AND_INTEGERS, INT8_STATIC, int4(computed="int8"), automatic()),
    gpu_rules=True,
    npu_rules=True,
    plans_whole=True,
    converter="ralikit.export.targets.tflite.target",
    checker="ralikit.export.targets.tflite.checks",
)
