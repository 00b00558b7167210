"""What the teacher says of photos and their copies: computed once, kept on disk, in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.files import sha256_bytes
from ralikit.model.bundle import Bundle
from ralikit.model.head import Head
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.rali.features import Embedder, cached, cut

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_PART = 64
"""Photos whose embeddings are written together: what a kill costs at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What a scorer says of n photos.

    Attributes:
        embeddings: Averaged over the views, (n, D).
        scores: On the scale of the bundle, (n,).
    """

    embeddings: Floats
    scores: Floats


class Looker:
    """A scorer that looks at photos of its own size: all its views, then its read-out.

    Args:
        tower: Its weights are used as they are.
        preprocess: Its views.
        head: Its read-out.
        view_pool: What is averaged over the views: ``"embedding"`` or ``"score"``.
        device: Where it computes.
        autocast: Compute in bfloat16.
    """

    def __init__(
        self,
        tower: Tower,
        preprocess: Preprocess,
        head: Head,
        *,
        view_pool: str,
        device: torch.device | None = None,
        autocast: bool = False,
    ) -> None:
        self.preprocess = preprocess
        self._embedder = Embedder(tower, preprocess, device=device, autocast=autocast)
        self._head, self._pool = head, view_pool

    def look(self, photos: Sequence[Pixels]) -> Said:
        """Embed and score photos that have the size its views are cut from."""
        p = self.preprocess
        each = [self._embedder.embed(cut(photo, p.size, p.anchors)) for photo in photos]
        embeddings = np.stack([e.mean(axis=0) for e in each])
        if self._pool == "score":
            scores = np.array([self._head.score(e).mean() for e in each])
        else:
            scores = self._head.score(embeddings)
        return Said(embeddings=embeddings, scores=scores.astype(np.float32))


def look_in_parts(
    looker: Looker,
    numbers: Sequence[int],
    photos_of: Callable[[int], Sequence[Pixels]],
    cache: Path,
    key: str,
    *,
    done: Callable[[int], None],
) -> Said:
    """Look at one or several photos for each number, and keep what was said.

    Args:
        looker: Who looks.
        numbers: n of them.
        photos_of: Number -> its photos, k of them, always the same.
        cache: Folder of what was said.
        key: Names looker and photos, so that nothing stale is read.
        done: Told how many numbers are done.

    Returns:
        Embeddings (n, k, D) and scores (n, k).
    """
    parts = []
    for start in range(0, len(numbers), _PART):
        chunk = [int(n) for n in numbers[start : start + _PART]]

        def compute(chunk: list[int] = chunk, start: int = start) -> dict[str, Floats]:
            found = []
            for count, number in enumerate(chunk, start=1):
                found.append(looker.look(photos_of(number)))
                done(start + count)
            return {
                "embeddings": np.stack([said.embeddings for said in found]),
                "scores": np.stack([said.scores for said in found]),
            }

        parts.append(cached(cache / "teacher.safetensors", f"{key} {chunk}", compute))
    return Said(
        embeddings=np.concatenate([p["embeddings"] for p in parts]),
        scores=np.concatenate([p["scores"] for p in parts]),
    )


def teacher_key(teacher: Bundle, photos: Sequence[Path], *, autocast: bool) -> str:
    """Hash of all that what a teacher says of photos depends on."""
    stats = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in photos]
    made = f"{teacher.hash} {autocast} {to_mapping(teacher.info.preprocess)} {stats}"
    return sha256_bytes(made.encode())
