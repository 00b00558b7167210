"""MobileNetV2 with batch normalisation folded away and a linear projection to the text width."""

from __future__ import annotations

from collections.abc import Sequence
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


_MOST_BLOCKS, _MOST_CHANNELS = 64, 4096


class MobileNetV2(InvertedResidualTower):
    """MobileNetV2 1.0, or one of other stages: (B, 3, S, S) in [-1, 1] -> (B, dim).

    Args:
        dim: Width of the embedding, D.
        stages: Rows of (expansion, channels, repeats, first stride), for a tower that costs less or
            more; those of the paper without.
        features: Channels of the head, what the projection reads.

    Raises:
        ValueError: If a stage is not four whole numbers from 1, or they make more than 64 blocks or
            4,096 channels.
    """

    kind: ClassVar[str] = "mobilenet_v2"

    def __init__(
        self,
        dim: int = 384,
        stages: Sequence[Sequence[int]] | None = None,
        features: int = _FEATURES,
    ) -> None:
        super().__init__()
        rows = _STAGES if stages is None else _checked(stages)
        if not 1 <= features <= _MOST_CHANNELS:
            raise ValueError(f"features must lie in 1..{_MOST_CHANNELS}, not {features}")
        self.dim = dim
        self._given: dict[str, Any] = {}
        if rows != _STAGES:
            self._given["stages"] = [list(row) for row in rows]
        if features != _FEATURES:
            self._given["features"] = features
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, out, repeats, first in rows:
            for index in range(repeats):
                stride = first if index == 0 else 1
                blocks.append(InvertedResidual(channels, out, expansion=expansion, stride=stride))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(channels, features, 1)
        self.projection = nn.Linear(features, dim)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return {"dim": self.dim, **self._given}


def _checked(stages: Sequence[Sequence[int]]) -> tuple[tuple[int, int, int, int], ...]:
    """Stages of a config, which may come from a stranger."""
    rows = []
    for row in stages:
        if len(row) != 4 or not all(type(value) is int and value >= 1 for value in row):
            raise ValueError(
                "a stage is (expansion, channels, repeats, first stride), whole numbers from 1, "
                f"not {row}"
            )
        rows.append((row[0], row[1], row[2], row[3]))
    blocks = sum(repeats for *_, repeats, _ in rows)
    widest = max((expansion * channels for expansion, channels, *_ in rows), default=0)
    if not rows or blocks > _MOST_BLOCKS or widest > _MOST_CHANNELS:
        raise ValueError(
            f"stages must make 1..{_MOST_BLOCKS} blocks of {_MOST_CHANNELS} channels at most"
        )
    return tuple(rows)
