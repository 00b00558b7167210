"""The transformer blocks that CLIP's and SigLIP's image towers share.

Plain linear layers throughout, one for query, key and value each, so that an exporter can fold
normalisation and scale into them, and quantise them one by one. Tokens of all pictures are rows of
one matrix, (B N, C): linear layers then convert to one fully connected operator each, with the
weights as they are.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ralikit.model.towers.base import Tower

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
        scaled: Whether 1 / sqrt(d) is in the query's weights already (see `ralikit.model.rewrite`).
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
            evened out its channels (see `ralikit.export.quantise.smoothing`); None: nothing.
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


class Vit(Tower):
    """What the two towers have in common: patches, positions, blocks and the norm after them.

    Args:
        size: Edge of the input, pixels; a multiple of `patch`.
        patch: Edge of a patch, pixels.
        width: Width of the residual stream, C.
        depth: Number of blocks.
        heads: Attention heads; divide `width`.
        hidden: Width inside the MLPs.
        activation: Of the MLPs.
        eps: Of the layer norms.
        dim: Width of the embedding, D.
        extra: Tokens beside the patches.
        bias: Whether the patch convolution has one.

    Raises:
        TypeError: If no vision transformer has such a shape.
    """

    def __init__(
        self,
        *,
        size: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        activation: Activation,
        eps: float,
        dim: int,
        extra: int,
        bias: bool,
    ) -> None:
        super().__init__()
        _check_shape(size=size, patch=patch, width=width, depth=depth, heads=heads)
        self.dim = dim
        self._config: dict[str, Any] = {
            "size": size,
            "patch": patch,
            "width": width,
            "depth": depth,
            "heads": heads,
            "hidden": hidden,
            "activation": activation,
            "eps": eps,
        }
        self.patches = nn.Conv2d(3, width, patch, stride=patch, bias=bias)
        self.positions = nn.Parameter(torch.zeros((size // patch) ** 2 + extra, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, activation, eps) for _ in range(depth)
        )
        self.norm_out = nn.LayerNorm(width, eps=eps)
        nn.init.normal_(self.positions, std=0.02)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return dict(self._config)

    def tokens(self, pixels: Tensor) -> Tensor:
        """A token a patch, without its position, (B, 3, size, size) -> (B, N, C)."""
        patches: Tensor = self.patches(pixels)
        return patches.flatten(2).transpose(1, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, size, size) -> (B, dim)."""
        return self.project(self.features(pixels))


def _check_shape(*, size: int, patch: int, width: int, depth: int, heads: int) -> None:
    # A TypeError, as for any other config that does not fit the tower.
    if min(size, patch, width, depth, heads) < 1 or size % patch or width % heads:
        raise TypeError(
            f"size {size}, patch {patch}, width {width}, depth {depth}, heads {heads}: size must "
            "be a multiple of patch, width of heads, all at least 1"
        )


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
