"""SigLIP's and SigLIP2's image tower, equal to Hugging Face's `SiglipVisionModel`."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.model.towers.vit import Activation, Attention, Mlp, Vit, run_blocks


class Siglip(Vit):
    """SigLIP ViT with its attention-pooling head: (B, 3, size, size) -> (B, width).

    Args:
        size: Edge of the input, pixels; a multiple of `patch`.
        patch: Edge of a patch, pixels.
        width: Width of the residual stream and of the embedding.
        depth: Number of blocks.
        heads: Attention heads; divide `width`.
        hidden: Width inside the MLPs.
        activation: Of the MLPs.
        eps: Of the layer norms.
    """

    kind: ClassVar[str] = "siglip"

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
