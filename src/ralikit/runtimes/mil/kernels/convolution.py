"""Convolution and pooling, with MIL's four ways of padding."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ralikit.runtimes.mil.kernels.registry import ints, kernel


def pads(
    pad_type: str,
    pad: list[int],
    extents: list[int],
    kernel_sizes: list[int],
    strides: list[int],
    dilations: list[int],
) -> list[tuple[int, int]]:
    """Zeros before and after each spatial axis.

    ``same`` gives ceil(extent / stride) positions with an odd zero after, ``same_lower`` before.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(extents)
    if pad_type == "custom":
        return [(pad[2 * i], pad[2 * i + 1]) for i in range(len(extents))]
    result = []
    for extent, size, stride, dilation in zip(
        extents, kernel_sizes, strides, dilations, strict=True
    ):
        reach = (size - 1) * dilation + 1
        total = max((-(-extent // stride) - 1) * stride + reach - extent, 0)
        small, large = total // 2, total - total // 2
        result.append((small, large) if pad_type == "same" else (large, small))
    return result


def _padded(x: Tensor, around: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    if not any(before or after for before, after in around):
        return x
    return F.pad(x, [n for sides in reversed(around) for n in sides], value=value)


@kernel("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: int = 1,
) -> Tensor:
    """1-D to 3-D convolution: x (n, C, *extents), weight (C_out, C / groups, *kernel)."""
    spatial = x.dim() - 2
    ones = [1] * spatial
    stride = ints(strides) if strides is not None else ones
    dilation = ints(dilations) if dilations is not None else ones
    around = pads(
        pad_type,
        ints(pad) if pad is not None else [0] * 2 * spatial,
        list(x.shape[2:]),
        list(weight.shape[2:]),
        stride,
        dilation,
    )
    padding = [0] * spatial
    if all(before == after for before, after in around):
        padding = [before for before, _ in around]  # saves a copy of the input
    else:
        x = _padded(x, around)
    function = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
    return function(x, weight, bias, stride, padding, dilation, groups)


@kernel("max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Largest value in each window; padding never wins."""
    x, size, stride = _pool_input(
        x, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode, value=float("-inf")
    )
    function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[x.dim() - 3]
    return function(x, size, stride)


@kernel("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    *,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Mean of each window; padding counts as zeros unless it is excluded."""
    function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.dim() - 3]
    ones = torch.ones_like(x[:1, :1]) if exclude_padding_from_average else None
    x, size, stride = _pool_input(x, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode)
    mean = function(x, size, stride)
    if ones is None:
        return mean
    inside, _, _ = _pool_input(ones, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode)
    return mean / function(inside, size, stride)


def _pool_input(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None,
    pad_type: str,
    pad: Tensor | None,
    *,
    ceil_mode: bool,
    value: float = 0.0,
) -> tuple[Tensor, list[int], list[int]]:
    if ceil_mode:
        raise NotImplementedError("pooling with ceil_mode")
    size = ints(kernel_sizes)
    stride = ints(strides) if strides is not None else [1] * len(size)
    around = pads(
        pad_type,
        ints(pad) if pad is not None else [0] * 2 * len(size),
        list(x.shape[2:]),
        size,
        stride,
        [1] * len(size),
    )
    return _padded(x, around, value), size, stride
