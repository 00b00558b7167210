"""One torch kernel for every MIL operation that ralikit's programs use."""

from __future__ import annotations

from ralikit.runtimes.mil.kernels import (
    activation,
    convolution,
    elementwise,
    linear,
    normalise,
    quantise,
    reduction,
    shape,
)
from ralikit.runtimes.mil.kernels.registry import KERNELS, Kernel

__all__ = [
    "KERNELS",
    "Kernel",
    "activation",
    "convolution",
    "elementwise",
    "linear",
    "normalise",
    "quantise",
    "reduction",
    "shape",
]
