"""The transformer block that vision transformers here are made of, and how it is rewritten exactly.

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

from ralikit.model.towers.absorbing import absorb_norm, add_bias
from ralikit.model.towers.channels import Channels

Activation = Literal["quick_gelu", "gelu", "gelu_tanh", "silu"]

_QUICK = 1.702


def activate(x: Tensor, kind: Activation) -> Tensor:
    """Apply the activation; quick-GELU is x sigmoid(1.702 x), CLIP's approximation."""
    if kind == "quick_gelu":
        return x * torch.sigmoid(_QUICK * x)
    if kind == "silu":
        return x * torch.sigmoid(x)
    return F.gelu(x, approximate="tanh" if kind == "gelu_tanh" else "none")


class Attention(nn.Module):
    """Multi-head attention: queries of some tokens over all tokens.

    Attributes:
        heads: Number of heads.
        size: Width of a head, d.
        scaled: Whether 1 / sqrt(d) is in the query's weights already (see `rewrite`).
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

    def rewrite(self) -> None:
        """Spare the scale and two biases, in place; what it gives stays.

        1 / sqrt(d) goes into the query. The key's bias goes away: it adds the same number to every
        logit of a query. The value's goes into the output's: attention weights sum to one.
        """
        scale = self.size**-0.5
        self.query.weight.copy_(self.query.weight.double() * scale)
        self.query.bias.copy_(self.query.bias.double() * scale)
        self.key.register_parameter("bias", None)
        add_bias(self.out, self.out.weight.double() @ self.value.bias.double())
        self.value.register_parameter("bias", None)
        self.scaled = True

    def mixed(self, name: str) -> Channels:
        """What its output layer reads: a channel of the values, averaged over tokens.

        Args:
            name: This module's in the tower.
        """
        return Channels(readers=(f"{name}.out",), divider=f"{name}.value", by="linear")


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

    def rewrite(self) -> None:
        """Take quick-GELU's 1.702 into the layers on both sides, in place; what it gives stays.

        x sigmoid(1.702 x) becomes u sigmoid(u).
        """
        if self.activation != "quick_gelu":
            return
        self.up.weight.copy_(self.up.weight.double() * _QUICK)
        self.up.bias.copy_(self.up.bias.double() * _QUICK)
        self.down.weight.copy_(self.down.weight.double() / _QUICK)
        self.activation = "silu"

    def channels(self, name: str, norm: str) -> tuple[Channels, Channels]:
        """What its two layers read.

        Args:
            name: This module's in the tower.
            norm: The layer norm's that it reads.
        """
        return (
            Channels(readers=(f"{name}.up",), divider=norm, by="norm"),
            Channels(readers=(f"{name}.down",), divider=name, by="gain"),
        )


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

    def rewrite(self) -> None:
        """Let layers absorb norms, scales and biases before them, in place; what it gives stays."""
        attention, mlp = self.attention, self.mlp
        self.norm1 = absorb_norm(self.norm1, attention.query, attention.key, attention.value)
        attention.rewrite()
        self.norm2 = absorb_norm(self.norm2, mlp.up)
        mlp.rewrite()

    def channels(self, name: str) -> tuple[Channels, ...]:
        """What its linear layers read, in the order they run in.

        Args:
            name: This module's in the tower.
        """
        attention = f"{name}.attention"
        values = (f"{attention}.query", f"{attention}.key", f"{attention}.value")
        return (
            Channels(readers=values, divider=f"{name}.norm1", by="norm"),
            self.attention.mixed(attention),
            *self.mlp.channels(f"{name}.mlp", f"{name}.norm2"),
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


def blocks_of(tower: nn.Module) -> list[Block]:
    """A tower's transformer blocks, in order; none of a tower that is made of other parts."""
    return [module for module in tower.modules() if isinstance(module, Block)]
