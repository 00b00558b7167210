"""A vision transformer laid out as XNNPACK and phones' GPUs like it; scores do not change.

torch's own layer norm and attention convert to long chains of reshapes around every operator. Here
tokens stay rows of one matrix, (B N, C), norms are written out with their axis kept, and attention
is a product of three axes, (B heads, N, d): a quarter of the operators less, and none of rank five.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ralikit.model.folded import Folded
from ralikit.model.towers.block import Attention


def laid_out(folded: Folded) -> Folded:
    """A copy in this layout, with the original's own weights; what it does not know stays as it is.

    Args:
        folded: A folded scorer, lean or not (see `ralikit.model.rewrite`); it is not changed.
    """
    shared = {id(t): t for t in (*folded.parameters(), *folded.buffers())}
    folded = copy.deepcopy(folded, shared)
    for parent in list(folded.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in _LAID_OUT:
                setattr(parent, name, _LAID_OUT[type(child)](child))
    return folded.eval()


class _Norm(nn.Module):
    """Layer norm over the last axis, written out."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = (centred * centred).mean(dim=-1, keepdim=True)
        y: Tensor = centred * torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            y = y * self.weight
        return y if self.bias is None else y + self.bias


class _Attention(nn.Module):
    """`Attention`, with the layers of one, as products of rank 3."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        self.heads, self.size, self.scaled = source.heads, source.size, source.scaled
        self.query, self.key, self.value = source.query, source.key, source.value
        self.out = source.out

    def forward(self, asking: Tensor, tokens: Tensor, batch: int) -> Tensor:
        q = self._split(self.query(asking), batch)
        k, v = (self._split(part(tokens), batch) for part in (self.key, self.value))
        logits = torch.bmm(q, k.transpose(1, 2))  # (B heads, Q, N)
        if not self.scaled:
            logits = logits * self.size**-0.5
        mixed = torch.bmm(torch.softmax(logits, dim=-1), v)  # (B heads, Q, d)
        joined: Tensor = self.out(self._join(mixed, batch))
        return joined

    def _split(self, x: Tensor, batch: int) -> Tensor:
        # (B N, C) -> (B heads, N, d)
        if batch == 1:
            return x.reshape(-1, self.heads, self.size).transpose(0, 1)
        parts = x.reshape(batch, -1, self.heads, self.size).transpose(1, 2)
        return parts.reshape(batch * self.heads, -1, self.size)

    def _join(self, x: Tensor, batch: int) -> Tensor:
        # (B heads, Q, d) -> (B Q, C)
        if batch > 1:
            x = x.reshape(batch, self.heads, -1, self.size).transpose(1, 2)
        else:
            x = x.transpose(0, 1)
        return x.reshape(-1, self.heads * self.size)


_LAID_OUT: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.LayerNorm: _Norm,
    Attention: _Attention,
}
"""What is laid out anew, by its type; a tower of other parts goes through unchanged."""
