"""SigLIP's and SigLIP2's image tower, equal to Hugging Face's `SiglipVisionModel`."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.model.towers.absorbing import absorb_norm
from ralikit.model.towers.block import Activation, Attention, Mlp, run_blocks
from ralikit.model.towers.channels import Channels
from ralikit.model.towers.channels_first import (
    AttentionFirst,
    ChannelsFirst,
    MlpFirst,
    Norm,
)
from ralikit.model.towers.vit import Vit


class Siglip(Vit):
    """SigLIP ViT with its attention-pooling head: (B, 3, size, size) -> (B, width).

    Args:
        size: Edge of the input, pixels; what is left beyond whole patches is not looked at.
        patch: Edge of a patch, pixels.
        width: Width of the residual stream and of the embedding.
        depth: Number of blocks.
        heads: Attention heads; divide `width`.
        hidden: Width inside the MLPs.
        activation: Of the MLPs.
        eps: Of the layer norms.
    """

    kind: ClassVar[str] = "siglip"
    small_parts: ClassVar[tuple[str, ...]] = ("blocks.", "pool.", "pool_mlp.")
    lies_otherwise: ClassVar[bool] = True

    def __init__(
        self,
        *,
        size: int = 384,
        patch: int = 16,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
        hidden: int = 3072,
        activation: Activation = "gelu_tanh",
        eps: float = 1e-6,
    ) -> None:
        super().__init__(
            size=size,
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            hidden=hidden,
            activation=activation,
            eps=eps,
            dim=width,
            extra=0,
            bias=True,
        )
        self.probe = nn.Parameter(torch.zeros(width))
        self.pool = Attention(width, heads)
        self.pool_norm = nn.LayerNorm(width, eps=eps)
        self.pool_mlp = Mlp(width, hidden, activation)
        nn.init.normal_(self.probe, std=0.02)

    def features(self, pixels: Tensor) -> Tensor:
        """Pooled by attention, (B, 3, size, size) -> (B, width)."""
        batch = pixels.shape[0]
        x = self.tokens(pixels) + self.positions
        x = run_blocks(self.blocks, x.flatten(0, 1), batch, recompute=self.recompute)
        pooled = self.pool(self.probe.expand(batch, -1), self.norm_out(x), batch)
        features: Tensor = pooled + self.pool_mlp(self.pool_norm(pooled))
        return features

    def project(self, features: Tensor) -> Tensor:
        """SigLIP has no projection: the features are the embedding, (B, width)."""
        return F.dropout(features, self.dropout, self.training) if self.dropout else features

    def channels_to_even(self) -> tuple[Channels, ...]:
        """The blocks' and the pooling's; the pooling's query reads a constant."""
        return (
            *super().channels_to_even(),
            Channels(readers=("pool.key", "pool.value"), divider="norm_out", by="norm"),
            self.pool.mixed("pool"),
            *self.pool_mlp.channels("pool_mlp", "pool_norm"),
        )

    def absorb(self) -> None:
        """As for every transformer; the pooling's query is computed once, the same for all."""
        super().absorb()
        pool = self.pool
        self.norm_out = absorb_norm(self.norm_out, pool.key, pool.value)
        pool.rewrite()
        self.probe.copy_(pool.query(self.probe))
        pool.set_submodule("query", nn.Identity())
        self.pool_norm = absorb_norm(self.pool_norm, self.pool_mlp.up)
        self.pool_mlp.rewrite()

    def channels_first(self) -> ChannelsFirst:
        """The same tower with tokens along the last axis, (V, C, 1, N)."""
        return _ChannelsFirst(self)


class _ChannelsFirst(ChannelsFirst):
    def __init__(self, source: Siglip) -> None:
        super().__init__(source)
        self.probe = source.probe
        self.pool = AttentionFirst(source.pool)
        self.pool_norm = Norm(source.pool_norm)
        self.pool_mlp = MlpFirst(source.pool_mlp)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (V, 3, size, size) -> (V, dim)."""
        x = self.tokens(pixels) + self.positions
        for block in self.blocks:
            x = block(x)
        probe = self.probe.view(1, -1, 1, 1).expand(len(pixels), -1, 1, 1)
        pooled = self.pool(probe, self.norm_out(x))
        embedding: Tensor = (pooled + self.pool_mlp(self.pool_norm(pooled))).flatten(1)
        return embedding
