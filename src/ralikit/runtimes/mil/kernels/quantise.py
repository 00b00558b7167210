"""Activation quantisation: the pairs that mark an integer kernel in a program."""

from __future__ import annotations

import torch
from torch import Tensor

from ralikit.runtimes.mil.kernels.registry import Operand, kernel

_RANGES = {"int8": (-128, 127, torch.int8), "uint8": (0, 255, torch.uint8)}


@kernel("quantize")
def quantize(
    input: Tensor,  # noqa: A002 (MIL's name)
    scale: Operand,
    output_dtype: str,
    zero_point: Operand = 0,
    axis: int | None = None,
) -> Tensor:
    """clip(round(x / scale) + zero_point), halves to even."""
    low, high, dtype = _RANGES[output_dtype]
    steps = torch.round(input / _along(scale, input, axis))
    return torch.clamp(steps + _along(zero_point, input, axis), low, high).to(dtype)


@kernel("dequantize")
def dequantize(
    input: Tensor,  # noqa: A002 (MIL's name)
    scale: Operand,
    zero_point: Operand = 0,
    axis: int | None = None,
) -> Tensor:
    """scale (x - zero_point)."""
    wide = input.to(torch.float32)
    return (wide - _along(zero_point, input, axis)) * _along(scale, input, axis)


def _along(values: Operand, x: Tensor, axis: int | None) -> Operand:
    if not isinstance(values, Tensor):
        return values
    values = values.to(torch.float32)
    if values.dim() == 0 or axis is None:
        return values
    shape = [1] * x.dim()
    shape[axis] = -1
    return values.view(shape)
