"""What several targets share: precisions that mean the same, and how a list of names is written."""

from __future__ import annotations

from ralikit.export.gate import limits
from ralikit.export.targets.target import Precision

FLOATS_AND_INTEGERS = (
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
)
"""float32; float16 and int8 as storage; int8 throughout the tower."""

INT8_STATIC = Precision(
    name="int8-static",
    stored="int8",
    computed="int8",
    calibrated=True,
    arithmetic="dynamic",
    limits=limits.INT8_STATIC,
    meaning="int8 weights (a step for every output channel) and 8-bit activations with ranges "
    "fixed on calibration photos (one for each tensor) in the encoder's linear layers, float "
    "elsewhere; a layer that this would spoil is float16",
)
"""int8 as NPUs ask for it, of transformers; a convolutional tower's int8 is so already."""


def int4(*, computed: str) -> Precision:
    """4-bit weights in blocks, for the wide layers of transformers.

    Args:
        computed: Type that they are multiplied in.
    """
    return Precision(
        name="int4",
        stored="int4",
        computed=computed,
        calibrated=True,
        asks_tower=True,
        limits=limits.NARROW,
    )


def names(words: str) -> frozenset[str]:
    """Operators' names, written with spaces between them: a vendor's list as one reads it."""
    return frozenset(words.split())
