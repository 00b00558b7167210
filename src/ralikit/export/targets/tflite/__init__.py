"""The TFLite target: from a folded scorer to a file that LiteRT runs on XNNPACK."""

from __future__ import annotations

from ralikit.export.gate import limits
from ralikit.export.targets.target import Precision, Target, automatic

TFLITE = Target(
    name="tflite",
    suffix=".tflite",
    modules=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
    extra="tflite",
    job="Export to TFLite",
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
            computed="int8",
            calibrated=True,
            asks_tower=True,
            limits=limits.NARROW,
        ),
        automatic(),
    ),
    gpu_rules=True,
    plans_whole=True,
    converter="ralikit.export.targets.tflite.target",
    checker="ralikit.export.targets.tflite.checks",
)
