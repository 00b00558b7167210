"""MobileNetV2 with batch normalisation folded away and a linear projection to the text width."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn

from ralikit.model.towers.inverted_residual import (
    InvertedResidual,
    InvertedResidualTower,
    SameConv,
)

# (expansion, channels, repeats, first stride): table 2 of MobileNetV2 (Sandler et al., 2018).
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_FEATURES = 1280


class MobileNetV2(InvertedResidualTower):
    """MobileNetV2 1.0: (B, 3, S, S) in [-1, 1] -> (B, dim).

    Args:
        dim: Width of the embedding, D.
    """

    kind: ClassVar[str] = "mobilenet_v2"

    def __init__(self, dim: int = 384) -> None:
        super().__init__()
        self.dim = dim
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, out, repeats, first in _STAGES:
            for index in range(repeats):
                stride = first if index == 0 else 1
                blocks.append(InvertedResidual(channels, out, expansion=expansion, stride=stride))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(channels, _FEATURES, 1)
        self.projection = nn.Linear(_FEATURES, dim)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return {"dim": self.dim}
