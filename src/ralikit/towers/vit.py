"""The transformer blocks that CLIP's and SigLIP's image towers share.

Plain linear layers throughout, one for query, key and value each, so that an exporter can fold
normalisation and scale into them, and quantise them one by one. Tokens of all pictures are rows of
one matrix, (B N, C): linear layers then convert to one fully connected operator each, with the
weights as they are.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Activation = Literal["quick_gelu", "gelu", "gelu_tanh", "silu"]


def activate(x: Tensor, kind: Activation) -> Tensor:
    """Apply the activation; quick-GELU is x sigmoid(1.702 x), CLIP's approximation."""
    if kind == "quick_gelu":
        return x * torch.sigmoid(1.702 * x)
    if kind == "silu":
        return x * torch.sigmoid(x)
    return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


class Attention(nn.Module):
    """Multi-head attention: queries of some tokens over all tokens.

    Attributes:
        heads: Number of heads.
        size: Width of a head, d.
        scaled: Whether 1 / sqrt(d) is in the query's weights already (see `ralikit.export.lean`).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.scaled = False
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, tokens: Tensor, batch: int) -> Tensor:
        """Attend within each picture, (B Q, C) over (B N, C) -> (B Q, C)."""
        q, k, v = (
            t.reshape(batch, -1, self.heads, self.size).transpose(1, 2)
            for t in (self.query(asking), self.key(tokens), self.value(tokens))
        )
        if self.scaled:
            mixed = torch.softmax(q @ k.transpose(-2, -1), dim=-1) @ v  # (B, heads, Q, size)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        joined: Tensor = self.out(mixed.transpose(1, 2).reshape(-1, self.heads * self.size))
        return joined


class Mlp(nn.Module):
    """Two linear layers around an activation.

    Attributes:
        gain: What the second layer's input is multiplied by, (hidden,), where an exporter has
            evened out its channels (see `ralikit.export.smooth`); None: nothing.
    """

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.register_buffer("gain", None, persistent=False)
        self.gain: Tensor | None
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the last axis, (..., C) -> (..., C)."""
        h = activate(self.up(x), self.activation)
        y: Tensor = self.down(h if self.gain is None else h * self.gain)
        return y


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self, width: int, heads: int, hidden: int, activation: Activation, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, hidden, activation)

    def forward(self, x: Tensor, batch: int) -> Tensor:
        """Transform all tokens of all pictures, (B N, C) -> (B N, C)."""
        y = self.norm1(x)
        x = x + self.attention(y, y, batch)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]

    def first(self, x: Tensor, batch: int) -> Tensor:
        """`forward`'s first token of each picture, (B N, C) -> (B, C); exact, N times less work."""
        y = self.norm1(x)
        x = first_tokens(x, batch) + self.attention(first_tokens(y, batch), y, batch)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


def first_tokens(x: Tensor, batch: int) -> Tensor:
    """The first token of each picture, (B N, C) -> (B, C)."""
    return x.reshape(batch, -1, x.shape[-1])[:, 0]


def run_blocks(blocks: nn.ModuleList, x: Tensor, batch: int, *, recompute: bool) -> Tensor:
    """Run blocks in order.

    Args:
        blocks: `Block`s.
        x: (B N, C).
        batch: Number of pictures, B.
        recompute: Forget activations and recompute them in the backward pass: memory for time.
    """
    for block in blocks:
        if recompute and torch.is_grad_enabled():
            x = checkpoint(block, x, batch, use_reentrant=False)
        else:
            x = block(x, batch)
    return x
