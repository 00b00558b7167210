"""A strided depthwise convolution whose backward pass is quick on CPUs. Training only."""

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
