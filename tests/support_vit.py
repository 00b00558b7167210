"""Small vision transformers with everything a real one has, and bundles of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support_tflite import tiny_bundle

from ralikit.bench import standin
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.target import Request
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded
from ralikit.model.head import Head
from ralikit.model.rewrite import rewrite
from ralikit.photo.views import Preprocess
from ralikit.runtimes import Views

CLIP: dict[str, Any] = {
    "size": 56,
    "patch": 14,
    "width": 64,
    "depth": 3,
    "heads": 4,
    "hidden": 256,
    "dim": 32,
}
SIGLIP: dict[str, Any] = {
    "size": 64,
    "patch": 16,
    "width": 64,
    "depth": 2,
    "heads": 4,
    "hidden": 256,
}
CONFIGS = {"clip": CLIP, "siglip": SIGLIP}


def tiny_scorer(kind: str, *, outliers: str = "none", seed: int = 0) -> Folded:
    """A scorer whose every parameter is far from the value that would hide a mistake."""
    tower = standin.random_tower(kind, CONFIGS[kind], seed=seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    standin.plant(tower, outliers)
    rng = np.random.default_rng(seed)
    head = Head(
        pca_mean=rng.normal(size=tower.dim),
        pca_components=np.linalg.qr(rng.normal(size=(tower.dim, tower.dim)))[0][:8],
        pca_scale=np.ones(tower.dim),
        centroids=rng.normal(size=(6, 8)),
        scores=np.linspace(1, 5, 6),
        temperature=0.3,
        normalize=False,
    )
    scorer = Folded(
        tower, head, mean=standin.CLIP_MEAN, std=standin.CLIP_STD, view_pool="embedding"
    )
    return scorer.eval().requires_grad_(False)


def tiny_photos(kind: str, count: int, *, seed: int = 0) -> list[Views]:
    """Photos of noise of many strengths, one view each."""
    size = CONFIGS[kind]["size"]
    rng = np.random.default_rng(seed)
    photos = []
    for index in range(count):
        width = 8 + 240 * index // max(1, count - 1)
        noise = rng.integers(0, width, (1, size, size, 3)) + (255 - width) // 2
        photos.append(noise.astype(np.uint8))
    return photos


def tiny_standin(root: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A stand-in's bundle of a small transformer, made as a large one's is."""
    known = {**standin.KINDS, kind: (kind, CONFIGS[kind], standin.CLIP_MEAN, standin.CLIP_STD)}
    monkeypatch.setattr(standin, "KINDS", known)
    return standin.make_standin(root, kind=kind)


def vit_bundle(kind: str) -> Bundle:
    """A tiny bundle whose photos fit a small transformer; its tower is another."""
    bundle, size = tiny_bundle(), CONFIGS[kind]["size"]
    preprocess = Preprocess(size=size, shortest_edge=size, anchors=((0.5, 0.5),))
    return replace(bundle, info=replace(bundle.info, preprocess=preprocess))


def vit_request(kind: str, precision: str) -> Request:
    """A conversion of `tiny_scorer`, lean."""
    return Request(
        bundle=vit_bundle(kind),
        bench=Workbench(rewrite(tiny_scorer(kind)), tiny_photos(kind, 16, seed=1)),
        precision=precision,
        outputs=("score", "embedding"),
    )
