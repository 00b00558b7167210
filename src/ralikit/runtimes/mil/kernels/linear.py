"""Matrix products and attention."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ralikit.runtimes.mil.kernels.registry import kernel


@kernel("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b over the last axis."""
    return F.linear(x, weight, bias)


@kernel("matmul")
def matmul(x: Tensor, y: Tensor, *, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """Product over the last two axes; the others broadcast."""
    x = x.transpose(-1, -2) if transpose_x and x.dim() > 1 else x
    y = y.transpose(-1, -2) if transpose_y and y.dim() > 1 else y
    return torch.matmul(x, y)


@kernel("einsum")
def einsum(values: tuple[Tensor, ...], equation: str) -> Tensor:
    """Product written as an equation; an axis of 1 broadcasts."""
    return torch.einsum(equation, *values)


@kernel("scaled_dot_product_attention")
def attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(E) + mask) v; a boolean mask drops what is False."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=attn_mask)
