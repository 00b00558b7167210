"""Embeddings of training photos, computed once and kept on disk."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.files import publish, sha256_bytes
from ralikit.model.bundle import read_safetensors, write_safetensors
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.rali.augment import Crops, draw_chain, take
from ralikit.train.rali.photo_store import PhotoStore

Floats = NDArray[np.float32]
Done = Callable[[int], None]


class Embedder:
    """A tower in evaluation mode, fed with uint8 views.

    Args:
        tower: Its weights are used as they are.
        preprocess: Mean and std of the pixels.
        device: Where the tower is.
        autocast: Compute in bfloat16.
    """

    def __init__(
        self,
        tower: Tower,
        preprocess: Preprocess,
        *,
        device: torch.device | None = None,
        autocast: bool = True,
    ) -> None:
        self._device = device or torch.device("cpu")
        self._tower = tower.eval().to(self._device)
        self._mean = torch.tensor(preprocess.mean, device=self._device) * 255
        self._std = torch.tensor(preprocess.std, device=self._device) * 255
        self._autocast = autocast

    @torch.inference_mode()
    def features(self, views: NDArray[np.uint8]) -> Floats:
        """Features before the projection, (n, S, S, 3) uint8 -> (n, F)."""
        with self._context():
            found = self._tower.features(self._pixels(views))
        result: Floats = found.float().cpu().numpy()
        return result

    @torch.inference_mode()
    def embed(self, views: NDArray[np.uint8]) -> Floats:
        """Embeddings, (n, S, S, 3) uint8 -> (n, D)."""
        with self._context():
            found = self._tower.features(self._pixels(views))
        result: Floats = self._tower.project(found.float()).float().cpu().numpy()
        return result

    def _pixels(self, views: NDArray[np.uint8]) -> torch.Tensor:
        image = torch.from_numpy(np.ascontiguousarray(views)).to(self._device, torch.float32)
        return ((image - self._mean) / self._std).permute(0, 3, 1, 2)

    def _context(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast)


def cut(
    photo: NDArray[np.uint8], size: int, anchors: Sequence[tuple[float, float]]
) -> NDArray[np.uint8]:
    """Views of a photo that has its final size, (V, size, size, 3)."""
    height, width = photo.shape[:2]
    views = []
    for x, y in anchors:
        left, top = math.floor((width - size) * x), math.floor((height - size) * y)
        views.append(photo[top : top + size, left : left + size])
    return np.stack(views)


def over_views(
    compute: Callable[[NDArray[np.uint8]], Floats],
    store: PhotoStore,
    photos: Iterable[int],
    size: int,
    anchors: Sequence[tuple[float, float]],
    *,
    batch: int = 8,
    done: Done | None = None,
) -> Floats:
    """Mean over the views of each photo of whatever `compute` gives, (n, F)."""
    parts: list[Floats] = []
    for chunk in _chunks(list(photos), batch):
        views = np.concatenate([cut(store[i], size, anchors) for i in chunk])
        found = compute(views).reshape(len(chunk), len(anchors), -1)
        parts.append(found.mean(axis=1))
        if done is not None:
            done(sum(len(p) for p in parts))
    return np.concatenate(parts)


def chain_embeddings(
    embedder: Embedder,
    store: PhotoStore,
    photos: NDArray[np.int64],
    size: int,
    count: int,
    *,
    seed: int,
    faults: bool = False,
) -> tuple[Floats, Floats]:
    """Embeddings of views and their weakly and strongly degraded copies.

    Returns:
        Embeddings, (count, 3, D), and severities of the copies, (count, 2), times their weights.
    """
    rng = np.random.default_rng([seed, 11])
    chosen = rng.choice(photos, min(count, len(photos)), replace=False)
    plain = Crops(random=True, zoom=(1.0, 1.0), mirror=False)
    parts, severities = [], []
    for chunk in _chunks(chosen.tolist(), 8):
        views = []
        for photo in chunk:
            view = take(store[photo], size, plain, rng)
            chain = draw_chain(view, rng, faults=faults, edge=min(store[photo].shape[:2]))
            severities.append([s * chain.weight for s in chain.severities])
            views += [view, *chain.copies]
        parts.append(embedder.embed(np.stack(views)).reshape(len(chunk), 3, -1))
    return np.concatenate(parts), np.array(severities, dtype=np.float32)


def cached(path: Path, key: str, compute: Callable[[], dict[str, Floats]]) -> dict[str, Floats]:
    """Arrays from a file that was made for the same `key`, else computed and written.

    The key (weights, photos, views) is part of the file's name, so that stale features are never
    read.
    """
    target = path.with_name(f"{path.stem}-{sha256_bytes(key.encode())[:16]}{path.suffix}")
    if target.is_file():
        with contextlib.suppress(BundleError):  # torn by a kill of an old version: made again
            return read_safetensors(target)
    arrays = compute()
    with publish(target, overwrite=True) as draft:
        write_safetensors(draft, arrays)
    return arrays


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
