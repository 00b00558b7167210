"""How Core ML can store a weight, and the precisions made of that. Needs no library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ralikit.export.gate import limits
from ralikit.export.targets.target import Precision, automatic

_LEAST_PART = 8


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way to store weights.

    Attributes:
        kind: Integers with a scale, or indices into a palette found by k-means.
        bits: Bits a weight.
        group: Inputs that share a scale, or output channels that share a palette; None: a scale
            for each output channel, a palette for each tensor.
        minimum_ios: First iOS that reads it.
        meaning: For manifests.
        activations: Bits of what the compressed layers read; 16: float16.
    """

    kind: Literal["linear", "palette"]
    bits: int
    group: int | None = None
    minimum_ios: int = 16
    meaning: str
    activations: int = 16

    @property
    def stored(self) -> str:
        """The type read back for a weight under this scheme: ``"int8"``, ``"pal6"``."""
        return f"{'int' if self.kind == 'linear' else 'pal'}{self.bits}"

    def part(self, rows: int, columns: int) -> int | None:
        """`group`, or its largest divisor of a weight (rows, columns); None: no parts."""
        if self.group is None:
            # Fewer than 8 bits have no scale for a whole channel in Core ML: it is one block.
            return columns if self.kind == "linear" and self.bits < 8 else None
        return divisor(columns if self.kind == "linear" else rows, self.group)

    def fits(self, rows: int, columns: int) -> bool:
        """Whether the parts of a weight are large enough to save more than their scales cost."""
        part, extent = self.part(rows, columns), columns if self.kind == "linear" else rows
        return part is None or part >= min(_LEAST_PART, extent, self.group or extent)

    def size(self, rows: int, columns: int) -> int:
        """Bytes of a weight (rows, columns): its codes, and its float16 scales or palettes."""
        part = self.part(rows, columns)
        codes = math.ceil(rows * columns * self.bits / 8)
        if self.kind == "palette":
            return codes + 2 * (rows // (part or rows)) * (1 << self.bits)
        return codes + 2 * rows * (columns // (part or columns))


_INT8 = Scheme(
    kind="linear",
    bits=8,
    meaning="int8 weights (one scale an output channel), float16 activations: what Core ML "
    "calls int8; not integer arithmetic",
)
SCHEMES: dict[str, Scheme] = {
    "int8": _INT8,
    "int8-weights": _INT8,
    "pal6": Scheme(
        kind="palette",
        bits=6,
        meaning="weights from a palette of 64 float16 values a tensor, float16 activations",
    ),
    "pal4": Scheme(
        kind="palette",
        bits=4,
        group=16,
        minimum_ios=18,
        meaning="weights from a palette of 16 float16 values for every 16 output channels (or "
        "the largest divisor below), float16 activations",
    ),
    "int4": Scheme(
        kind="linear",
        bits=4,
        group=32,
        minimum_ios=18,
        meaning="int4 weights (one scale for every 32 inputs, or the largest divisor below), "
        "float16 activations",
    ),
    "int4-channel": Scheme(
        kind="linear",
        bits=4,
        minimum_ios=18,
        meaning="int4 weights (one scale an output channel), float16 activations; for the neural "
        "engine, which block-wise int4 may keep weights off",
    ),
    "w8a8": Scheme(
        kind="linear",
        bits=8,
        minimum_ios=17,
        meaning="experimental: int8 weights (one scale an output channel) and int8 activations "
        "(one scale a tensor, from calibration photos) in large matrices, float16 elsewhere; how "
        "a device computes it is not verified",
        activations=8,
    ),
}
"""By precision name."""

BY_TYPE: dict[str, Scheme] = {
    SCHEMES[n].stored: SCHEMES[n] for n in ("int8", "pal6", "pal4", "int4")
}
"""By stored type, for mixes."""

_LIMITS = {"int8": limits.INT8, "int8-weights": limits.INT8_WEIGHTS, "pal6": limits.PALETTE}

PRECISIONS = (
    Precision(
        name="fp32",
        stored="float32",
        computed="float32",
        limits=limits.FP32,
        meaning="float32 weights and activations",
    ),
    Precision(
        name="fp16",
        stored="float16",
        computed="float16",
        limits=limits.FP16,
        meaning="float16 weights and activations; read-out float32",
    ),
    *(
        Precision(
            name=name,
            stored=scheme.stored,
            computed="float16" if scheme.activations == 16 else "int8",
            calibrated=True,
            limits=_LIMITS.get(name, limits.NARROW),
            meaning=scheme.meaning,
        )
        for name, scheme in SCHEMES.items()
    ),
    automatic(
        meaning="a type for every large matrix of the tower, float16 activations; read-out float32"
    ),
)


def divisor(extent: int, wanted: int) -> int:
    """The largest divisor of `extent` up to `wanted`."""
    return max(n for n in range(1, wanted + 1) if extent % n == 0)
