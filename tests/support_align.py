"""A tiny alignment: made-up photos whose noise is their quality, and texts that say so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from support import lively_tower

from ralikit.photo.views import Preprocess
from ralikit.train.rali.align import Alignment
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.objective import AlignData
from ralikit.train.rali.photo_store import open_store
from ralikit.train.world import World

PREPROCESS = Preprocess(size=32, shortest_edge=40)
DIM = 6
SETTINGS = AlignSettings(
    objective="readout",
    epochs=2,
    batch=8,
    learning_rate=1e-3,
    warmup_steps=2,
    chains=2,
    autocast="off",
    seed=3,
)


def photo_files(folder: Path, count: int) -> list[Path]:
    """Photos of growing noise."""
    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        noise = rng.normal(size=(48, 56, 3)) * (4 + 4 * index)
        path = folder / f"{index:02d}.png"
        Image.fromarray((128 + noise).clip(0, 255).astype(np.uint8)).save(path)
        paths.append(path)
    return paths


def align_data(photos: list[Path], cache: Path, settings: AlignSettings) -> AlignData:
    """Scores that fall with the noise, and two texts a photo that point where its score lies."""
    scores = np.linspace(4.5, 1.5, len(photos)).astype(np.float32)
    rng = np.random.default_rng(1)
    angle = (scores - 3)[:, None] * 0.8
    plane = np.concatenate([np.sin(angle), np.cos(angle), np.zeros((len(photos), DIM - 2))], axis=1)
    texts = plane[:, None] + rng.normal(size=(len(photos), 2, DIM)) * 0.05
    texts /= np.linalg.norm(texts, axis=-1, keepdims=True)
    if settings.objective == "regression":
        texts = texts[:, :0]
    store = open_store(photos, cache, preprocess=PREPROCESS)
    return AlignData(store, np.arange(len(photos)), scores, texts.astype(np.float32))


def make_alignment(
    photos: list[Path], cache: Path, settings: AlignSettings, world: World | None = None
) -> Alignment:
    """The same start every time."""
    torch.set_num_threads(1)
    tower = lively_tower(1 if settings.objective == "regression" else DIM)
    data = align_data(photos, cache, settings)
    return Alignment(tower, data, settings, PREPROCESS, world=world)


class Letters:
    """A stand-in for a sentence encoder: letter counts, twelve words long at most."""

    name, dim, limit = "letters", 6, 12

    def count(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array(
            [[text.lower().count(c) for c in "blurys"] for text in texts], dtype=np.float32
        )
        counts += 0.1
        counts /= np.linalg.norm(counts, axis=1, keepdims=True)
        return counts
