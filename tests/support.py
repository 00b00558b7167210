"""Small made-up parts that several tests build on."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ralikit.model.head import Head
from ralikit.model.towers.base import Tower
from ralikit.model.towers.mobilenet_v2 import MobileNetV2

AnyTower = TypeVar("AnyTower", bound=Tower)


def make_head(*, dim: int = 6, width: int = 4, count: int = 5, seed: int = 0) -> Head:
    """A random head with orthonormal components."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return Head(
        pca_mean=rng.normal(size=dim),
        pca_components=q[:width],
        pca_scale=rng.uniform(0.5, 2.0, size=dim),
        centroids=rng.normal(size=(count, width)),
        scores=np.linspace(1, 5, count),
        temperature=0.1,
        normalize=False,
    )


SHALLOW = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 1, 2), (6, 48, 2, 2))
"""Stages with every kind of block in them and a third of MobileNetV2's layers: exports take as long
as there are layers."""


def lively_tower(dim: int = 6, *, seed: int = 0) -> MobileNetV2:
    """A random small tower whose embeddings differ between pictures.

    torch's default initialisation lets the signal die in the deep unnormalised stack: every
    picture would score alike, and no test on it could fail.
    """
    torch.manual_seed(seed)
    return lively(MobileNetV2(dim=dim, stages=SHALLOW, features=128))


def lively(tower: AnyTower) -> AnyTower:
    """The tower with weights drawn so that its embeddings differ between pictures."""
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.normal_(module.bias, std=0.1)  # type: ignore[arg-type]
    return tower.eval()
