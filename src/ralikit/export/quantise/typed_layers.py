"""A tower's weights in several types: its layers, the types they may have, and the result.

What every kind of arithmetic shares, whether ranges come with a photo
(`ralikit.export.quantise.layer_types`) or are fixed (`ralikit.export.quantise.static`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from ralikit.export.quantise.hooks import Layer
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

SPOILT = 0.15
"""Relative error of its output from which a layer is not computed in int8."""

_BATCH_BYTES = 0.9e9


@dataclass(frozen=True, eq=False)
class Mixed:
    """What a target stores.

    Attributes:
        folded: The scorer with its channels evened out and its weights on their grids.
        types: Stored type of every layer, by its name in the scorer.
        steps: Steps of int4 weights, (C_out, blocks), by the same name; int8 weights have
            ``max |w| / 127`` of every output channel.
        errors: Relative error of each encoder layer's output in int8, by its name.
    """

    folded: Folded
    types: dict[str, str]
    steps: dict[str, Tensor]
    errors: dict[str, float]


def weighted(folded: Folded) -> dict[str, Layer]:
    """Every convolution and linear layer, by its name in the scorer."""
    return {
        name: module
        for name, module in folded.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def small_layers(folded: Folded) -> dict[str, Layer]:
    """Layers that can be stored small, by their names in the scorer.

    A transformer's encoder, or all of a convolutional tower.
    """
    return {f"tower.{name}": layer for name, layer in folded.tower.small_layers().items()}


def known_types(folded: Folded) -> tuple[str, ...]:
    """Types that a small layer of this scorer can be stored in."""
    return ("float32", *folded.tower.small_types)


def uniform_types(folded: Folded, stored: str) -> dict[str, str]:
    """Every small layer in one type, everything else float32."""
    return dict.fromkeys(weighted(folded), "float32") | dict.fromkeys(small_layers(folded), stored)


def calibration_views(folded: Folded, calibration: Sequence[Views], share: float) -> Views:
    """One view each of as many photos as their widest tensors fit in memory at once.

    Args:
        folded: The scorer that will read them.
        calibration: Views of photos, each (V, S, S, 3) uint8; at least one.
        share: Of those photos, how many are wanted.
    """
    floats = folded.tower.live_numbers(int(np.prod(calibration[0].shape[1:3])))
    count = max(1, int(share * _BATCH_BYTES / (4 * floats)))
    return np.stack([v[i % len(v)] for i, v in enumerate(calibration[:count])])
