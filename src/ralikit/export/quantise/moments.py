"""Second moments of what layers read, as rounding with compensation needs them."""

from __future__ import annotations

import torch
from torch import Tensor

from ralikit.export.quantise.gptq import Spread, spread

_ROWS = 1 << 13
_STRIPE = 1024
_WIDE = 2048


class Spreads:
    """`spread` of layers' inputs, worked out once where several layers read one tensor."""

    def __init__(self) -> None:
        self._inputs: Tensor | None = None
        self._spread: Spread | None = None

    def of(self, inputs: Tensor) -> Spread:
        """The spread of a tensor, (..., C) or (B, C, H, W); kept until another one comes."""
        if self._spread is None or inputs is not self._inputs:
            gram = second_moments(rows(inputs))
            # The damping holds the condition below n / 0.01: float32 can factor a wide one, and
            # large matrices take seconds in float64.
            self._inputs = inputs
            self._spread = spread(gram if len(gram) > _WIDE else gram.double())
        return self._spread


def rows(inputs: Tensor) -> Tensor:
    """Positions as rows about their means, which the bias takes, (at most 8192, C)."""
    channels = inputs.movedim(1, -1) if inputs.dim() == 4 else inputs
    flat = channels.flatten(0, -2)
    found = flat[:: max(1, -(-len(flat) // _ROWS)) | 1]  # an odd stride meets all columns
    return found - found.mean(0)


def second_moments(values: Tensor) -> Tensor:
    """``values.T @ values``, (C, C), for (n, C)."""
    # Stripes of the upper half, mirrored: symmetric, at five eighths of the work.
    gram = values.new_empty(values.shape[1], values.shape[1])
    for first in range(0, len(gram), _STRIPE):
        last = min(first + _STRIPE, len(gram))
        torch.mm(values[:, first:last].T, values[:, first:], out=gram[first:last, first:])
        gram[last:, first:last] = gram[first:last, last:].T
    return gram
