"""A bundle small enough to export in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from support import lively_tower

from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.head import Head
from ralikit.photo.views import Preprocess

SIZE = 64


def tiny_bundle(root: Path, *, view_pool: str = "embedding") -> Bundle:
    """A random MobileNetV2 at 64 pixels, two views, whose scores differ between photos."""
    tower = lively_tower(dim=6)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        noise = torch.rand(16, 3, SIZE, SIZE) * torch.linspace(0.05, 2, 16).view(-1, 1, 1, 1) - 1
        seen = tower(noise).numpy()
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    head = Head(
        pca_mean=seen.mean(axis=0),
        pca_components=basis[:4],
        pca_scale=np.full(6, seen.std()),
        centroids=rng.normal(size=(5, 4)),
        scores=np.linspace(1, 5, 5),
        temperature=0.5,
        normalize=False,
    )
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind="mobilenet_v2", config={"dim": 6}, weights="random"),
        preprocess=Preprocess(size=SIZE, shortest_edge=80, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.5,
        view_pool=view_pool,  # type: ignore[arg-type]
    )
    state = {name: value.numpy() for name, value in tower.state_dict().items()}
    return write_bundle(root, info, tower=state, head=head)
