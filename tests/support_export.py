"""A bundle small enough to export in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from support import lively_tower

from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.head import Head, unit
from ralikit.model.reasons import BANK
from ralikit.model.reasons_head import ReasonsHead, ReasonsInfo
from ralikit.photo.views import Preprocess

SIZE = 64
APPLE_DRIFT = {
    "fp32": 1e-4,
    "fp16": 0.01,
    "int8": 0.02,
    "pal6": 0.05,
    "pal4": 0.3,
    "int4": 0.2,
    "w8a8": 0.1,
}
"""Largest drift of Core ML's and Core AI's files on made-up photos whose scores spread over a
point: not "good enough to publish", but far below what a swapped channel or a wrong scale does."""


def tiny_bundle(
    root: Path,
    *,
    view_pool: str = "embedding",
    reasons: bool = False,
    hidden: int = 0,
    half: bool = False,
) -> Bundle:
    """A random MobileNetV2 at 64 pixels, two views, whose scores differ between photos.

    With a bank of three reasons where `reasons` says so, whose values lie on both sides of 0.5;
    stored in float16 where `half` does, as what shall carry its own scorer must be.
    """
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
        tower=TowerSpec(kind="mobilenet_v2", config=tower.config(), weights="random"),
        preprocess=Preprocess(size=SIZE, shortest_edge=80, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.5,
        view_pool=view_pool,  # type: ignore[arg-type]
    )
    state = {
        name: (value.half() if half else value).numpy()
        for name, value in tower.state_dict().items()
    }
    if not reasons:
        return write_bundle(root, info, tower=state, head=head)
    said = ReasonsInfo(bank=tuple(entry.info for entry in BANK[:3]), route="probe", note="made up")
    bank = _bank(seen, rng, hidden)
    return write_bundle(
        root, replace(info, reasons=said), tower=state, head=head, reasons=bank.tensors()
    )


def _bank(seen: np.ndarray, rng: np.random.Generator, hidden: int) -> ReasonsHead:
    x, first = unit(seen.astype(float)), None
    if hidden:
        first = rng.normal(size=(hidden, 6)) * 2
        x = np.maximum(x @ first.T + 0.1, 0)
    weight = rng.normal(size=(3, x.shape[1]))
    weight *= 2 / (x @ weight.T).std(axis=0)[:, None]  # logits of +-2 around 0
    return ReasonsHead(
        weight=weight,
        bias=-(x @ weight.T).mean(axis=0),
        hidden_weight=first,
        hidden_bias=None if first is None else np.full(hidden, 0.1),
    )
