"""CLIP's image tower, equal to Hugging Face's `CLIPVisionModelWithProjection`, lean for export."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.towers.base import Tower
from ralikit.towers.vit import Activation, Block, run_blocks


class Clip(Tower):
    """CLIP ViT: (B, 3, size, size), normalised -> (B, dim), not at unit norm.

    The last block computes the class token alone: the other tokens of its output are never read.

    Args:
        size: Edge of the input, pixels; a multiple of `patch`.
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
        super().__init__()
        check_shape(size=size, patch=patch, width=width, depth=depth, heads=heads)
        self.dim = dim
        self._config = {
            "size": size,
            "patch": patch,
            "width": width,
            "depth": depth,
            "heads": heads,
            "hidden": hidden,
            "dim": dim,
            "activation": activation,
            "eps": eps,
        }
        self.patches = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_token = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(torch.zeros((size // patch) ** 2 + 1, width))
        self.norm_in = nn.LayerNorm(width, eps=eps)
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, activation, eps) for _ in range(depth)
        )
        self.norm_out = nn.LayerNorm(width, eps=eps)
        self.projection = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.normal_(self.positions, std=0.02)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return dict(self._config)

    def features(self, pixels: Tensor) -> Tensor:
        """The class token after the last norm, (B, 3, size, size) -> (B, width)."""
        batch = pixels.shape[0]
        patches = self.patches(pixels).flatten(2).transpose(1, 2)  # (B, N - 1, C)
        first = self.class_token.expand(batch, 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positions
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

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, size, size) -> (B, dim)."""
        return self.project(self.features(pixels))


def check_shape(*, size: int, patch: int, width: int, depth: int, heads: int) -> None:
    """Refuse shapes that no vision transformer has.

    Raises:
        TypeError: As for any other config that does not fit the tower.
    """
    if min(size, patch, width, depth, heads) < 1 or size % patch or width % heads:
        raise TypeError(
            f"size {size}, patch {patch}, width {width}, depth {depth}, heads {heads}: size must "
            "be a multiple of patch, width of heads, all at least 1"
        )
