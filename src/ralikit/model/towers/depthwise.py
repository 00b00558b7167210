"""Depthwise convolutions whose backward pass is quick on CPUs. Training only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class StridedDepthwise(torch.autograd.Function):
    """3 x 3 depthwise convolution at stride 2 of an input padded below and right by one.

    oneDNN's gradient of a strided depthwise convolution is several times slower than that of the
    unstrided one on a gradient spread out with zeros; both are the same numbers.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Convolve (B, C, H, W), H and W even -> (B, C, H / 2, W / 2)."""
        ctx.save_for_backward(x, weight)
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, bias, stride=2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of input, weight and bias."""
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        spread = torch.zeros_like(x)
        spread[:, :, 1::2, 1::2] = gradient
        mask = [ctx.needs_input_grad[0], True, False]
        ones, zeros = [1, 1], [0, 0]
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            spread, x, weight, [len(weight)], ones, ones, ones, False, zeros, len(weight), mask
        )
        return of_x, of_weight, gradient.sum(dim=(0, 2, 3))


class Depthwise5(torch.autograd.Function):
    """5 x 5 depthwise convolution at stride 1, or at stride 2 of an even extent, padded as SAME.

    On a CPU in bfloat16, torch's own backward pass of it was 58 % of a training step of an
    EfficientNet-Lite0. Here the input's gradient is a forward convolution with the flipped kernel,
    and the weight's is put together of four 3 x 3 ones, for which there are quick kernels.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        """Convolve (B, C, H, W) -> (B, C, H / stride, W / stride)."""
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        if stride == 1:
            return F.conv2d(x, weight, bias, padding=2, groups=len(weight))
        return F.conv2d(F.pad(x, (1, 2, 1, 2)), weight, bias, stride=2, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor, None]:
        """Gradients of input, weight and bias."""
        (gradient,) = gradients
        of_bias = gradient.sum(dim=(0, 2, 3))
        x, weight = ctx.saved_tensors
        if ctx.stride == 2:
            # The strided output is every other place of the unstrided one, beginning with the
            # second: SAME pads one above and left of an even extent, where the unstrided has two.
            spread = torch.zeros_like(x)
            spread[:, :, 1::2, 1::2] = gradient
            gradient = spread
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            flipped = weight.flip(2, 3)
            of_x = F.conv2d(gradient, flipped, padding=2, groups=len(weight))
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(gradient, x)
        return of_x, of_weight, of_bias, None


def _weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """The 5 x 5 kernel's gradient, (C, 1, 5, 5), from four overlapping 3 x 3 parts of it."""
    channels, (height, width) = x.shape[1], x.shape[2:]
    padded = F.pad(x, (2, 2, 2, 2))
    small = x.new_empty(channels, 1, 3, 3)
    whole = x.new_empty(channels, 1, 5, 5)
    ones, zeros, only_weight = [1, 1], [0, 0], [False, True, False]
    for top in (0, 2):
        for left in (0, 2):
            part = padded[:, :, top : top + height + 2, left : left + width + 2]
            part = part.contiguous(memory_format=torch.channels_last)
            _, found, _ = torch.ops.aten.convolution_backward(
                gradient,
                part,
                small,
                [channels],
                ones,
                zeros,
                ones,
                False,
                zeros,
                channels,
                only_weight,
            )
            whole[:, :, top : top + 3, left : left + 3] = found
    return whole
