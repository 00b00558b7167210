"""Exact steps that rewrites are made of: a linear layer takes in what comes before or after it."""

from __future__ import annotations

from torch import Tensor, nn


def absorb_norm(norm: nn.LayerNorm, *readers: nn.Linear) -> nn.LayerNorm:
    """Move a layer norm's gain and bias into the layers that read it, in place.

    W (g x + b) + c = (W g) x + (W b + c)

    Returns:
        The norm that is left, without gain and bias.
    """
    for reader in readers:
        weight = reader.weight.double()
        add_bias(reader, weight @ norm.bias.double())
        reader.weight.copy_(weight * norm.weight.double())
    return nn.LayerNorm(norm.normalized_shape, eps=norm.eps, elementwise_affine=False)


def add_bias(layer: nn.Linear, amount: Tensor) -> None:
    """Add to a layer's bias in place, (C_out,) float64; a layer without one gets one."""
    bias = amount if layer.bias is None else layer.bias.double() + amount
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=False)
