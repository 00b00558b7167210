"""Core AI's precisions: Core ML's ways of storing weights, as the same codes. Needs no library."""

from __future__ import annotations

from dataclasses import replace

from ralikit.export.targets.coreml import precisions as coreml
from ralikit.export.targets.target import Precision

_NAMES = ("fp32", "fp16", "int8", "int8-weights", "pal6", "pal4", "int4", "w8a8", "auto")
_INT8 = (
    "int8 weights (one scale an output channel), float16 activations, as in Core ML; not integer "
    "arithmetic"
)


def _same(name: str) -> Precision:
    (found,) = [p for p in coreml.PRECISIONS if p.name == name]
    return replace(found, meaning=_INT8) if found.stored == "int8" else found


PRECISIONS: tuple[Precision, ...] = tuple(_same(name) for name in _NAMES)
"""Core ML's but for int4 with a scale for a whole channel, a rule of its neural engine."""
