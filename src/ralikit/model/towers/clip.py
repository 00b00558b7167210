"""CLIP's image tower, equal to Hugging Face's `CLIPVisionModelWithProjection`, lean for export."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.model.towers.absorbing import absorb_norm
from ralikit.model.towers.block import Activation, run_blocks
from ralikit.model.towers.channels_first import ChannelsFirst, Norm, pointwise
from ralikit.model.towers.vit import Vit


class Clip(Vit):
    """CLIP ViT: (B, 3, size, size), normalised -> (B, dim), not at unit norm.

    The last block computes the class token alone: the other tokens of its output are never read.

    Args:
        size: Edge of the input, pixels; what is left beyond whole patches is not looked at.
        patch: Edge of a patch, pixels.
        width: Width of the residual stream, C.
        depth: Number of blocks.
        heads: Attention heads; divide `width`.
        hidden: Width inside the MLPs.
        dim: Width of the embedding, D.
        activation: Of the MLPs.
        eps: Of the layer norms.
    """

    kind: ClassVar[str] = "clip"
    lies_otherwise: ClassVar[bool] = True

    def __init__(
        self,
        *,
        size: int = 336,
        patch: int = 14,
        width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        hidden: int = 4096,
        dim: int = 768,
        activation: Activation = "quick_gelu",
        eps: float = 1e-5,
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
            dim=dim,
            extra=1,
            bias=False,
        )
        self._config["dim"] = dim
        self.class_token = nn.Parameter(torch.zeros(width))
        self.norm_in = nn.LayerNorm(width, eps=eps)
        self.projection = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.class_token, std=0.02)

    def features(self, pixels: Tensor) -> Tensor:
        """The class token after the last norm, (B, 3, size, size) -> (B, width)."""
        batch = pixels.shape[0]
        first = self.class_token.expand(batch, 1, -1)
        x = torch.cat([first, self.tokens(pixels)], dim=1) + self.positions
        x = self.norm_in(x.flatten(0, 1))  # (B N, C)
        x = run_blocks(self.blocks[:-1], x, batch, recompute=self.recompute)
        x = self.blocks[-1].first(x, batch)  # type: ignore[operator]
        pooled: Tensor = self.norm_out(x)
        return pooled

    def project(self, features: Tensor) -> Tensor:
        """Pooled features -> embedding, (B, width) -> (B, dim)."""
        if self.dropout:
            features = F.dropout(features, self.dropout, self.training)
        embedding: Tensor = self.projection(features)
        return embedding

    def absorb(self) -> None:
        """As for every transformer; the projection takes in the norm before it."""
        super().absorb()
        self.norm_out = absorb_norm(self.norm_out, self.projection)

    def channels_first(self) -> ChannelsFirst:
        """The same tower with tokens along the last axis, (V, C, 1, N)."""
        return _ChannelsFirst(self)


class _ChannelsFirst(ChannelsFirst):
    def __init__(self, source: Clip) -> None:
        super().__init__(source)
        self.class_token = source.class_token
        self.norm_in = Norm(source.norm_in)
        self.projection = pointwise(source.projection)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (V, 3, size, size) -> (V, dim)."""
        first = self.class_token.view(1, -1, 1, 1).expand(len(pixels), -1, 1, 1)
        x = torch.cat([first, self.tokens(pixels)], dim=3) + self.positions
        x = self.norm_in(x)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1].first(x)  # type: ignore[operator]
        embedding: Tensor = self.projection(self.norm_out(x)).flatten(1)
        return embedding
