"""EfficientNet-Lite with batch normalisation folded away and a linear projection to the text width.

EfficientNets made for phones: ReLU6 everywhere, no squeeze-excitation, stem and head of one width,
so that int8 keeps them.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from torch import nn

from ralikit.model.towers.inverted_residual import (
    InvertedResidual,
    InvertedResidualTower,
    SameConv,
)

# (expansion, channels, repeats, first stride, kernel): table 1 of EfficientNet (Tan and Le, 2019).
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_STEM, _FEATURES = 32, 1280

# Factors on width and depth of each variant.
_SCALES = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2))


class EfficientNetLite(InvertedResidualTower):
    """EfficientNet-Lite0, 1 or 2: (B, 3, S, S), (pixel - 127) / 128 -> (B, dim).

    Args:
        variant: Which of them.
        dim: Width of the embedding, D.

    Raises:
        ValueError: If there is no such variant.
    """

    kind: ClassVar[str] = "efficientnet_lite"

    def __init__(self, variant: int = 0, dim: int = 384) -> None:
        super().__init__()
        if variant not in range(len(_SCALES)):
            raise ValueError(f"there is no EfficientNet-Lite{variant} here: variant is 0, 1 or 2")
        self.variant, self.dim = variant, dim
        width, depth = _SCALES[variant]
        self.stem = SameConv(3, _STEM, 3, stride=2)
        blocks, channels = [], _STEM
        for number, (expansion, base, repeats, first, kernel) in enumerate(_STAGES):
            out = _rounded(base * width)
            ends = number in {0, len(_STAGES) - 1}
            for index in range(repeats if ends else math.ceil(repeats * depth)):
                stride = first if index == 0 else 1
                blocks.append(
                    InvertedResidual(
                        channels, out, expansion=expansion, stride=stride, kernel=kernel
                    )
                )
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(channels, _FEATURES, 1)
        self.projection = nn.Linear(_FEATURES, dim)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return {"variant": self.variant, "dim": self.dim}


def _rounded(channels: float) -> int:
    """The multiple of 8 nearest to a number of channels, not more than a tenth below it."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near
