"""Good photos and copies with planted faults, embedded: what a bank of reasons is fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import DataError
from ralikit.photo.faults import Rendering, plant, renderings
from ralikit.train.rali.features import cut
from ralikit.train.rali.photo_store import PhotoStore

Floats = NDArray[np.floating]
Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

RENDERINGS = renderings(held_out=False)
"""What may be planted here: the others are for the check alone."""

WIDTH = 0.08
"""Strength over which noticing rises from a half to three quarters, about (logistic)."""
FLOOR, CAP = 0.1, 0.45
"""Least and largest strength at which half of people are taken to notice."""
_BINS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    """Embedded photos, with and without faults.

    Attributes:
        embeddings: (n, D), averaged over views.
        photo: Which photo each is of, (n,).
        strength: Of each rendering in each, (n, R); NaN where it was not planted.
    """

    embeddings: Floats
    photo: NDArray[np.int64]
    strength: Floats

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Which have no fault planted, (n,)."""
        return np.asarray(np.isnan(self.strength).all(axis=1))

    @property
    def single(self) -> NDArray[np.bool_]:
        """Which have one, (n,)."""
        return np.asarray((~np.isnan(self.strength)).sum(axis=1) == 1)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """All of it as float32 arrays by name."""
        parts = {"embeddings": self.embeddings, "photo": self.photo, "strength": self.strength}
        return {name: np.asarray(part, dtype=np.float32) for name, part in parts.items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Planted:
        """What `arrays` gave."""
        return cls(
            embeddings=arrays["embeddings"].astype(np.float64),
            photo=arrays["photo"].astype(np.int64),
            strength=arrays["strength"].astype(np.float64),
        )

    def of(self, rows: NDArray[np.bool_]) -> Planted:
        """Some of them."""
        return Planted(
            embeddings=self.embeddings[rows], photo=self.photo[rows], strength=self.strength[rows]
        )


def plant_copies(
    store: PhotoStore,
    photos: Sequence[int],
    clean: Sequence[int],
    embed: Embed,
    *,
    size: int,
    anchors: Sequence[tuple[float, float]],
    pairs: int,
    seed: int,
    done: Callable[[int], None] | None = None,
) -> Planted:
    """Embed photos as they are, copies with every rendering planted alone, and some with two.

    Args:
        store: The photos, at the size from which views are cut.
        photos: Numbers of those to plant in.
        clean: Numbers of those to leave as they are.
        embed: Views -> embeddings, (m, S, S, 3) uint8 -> (m, D).
        size: Edge of a view, S.
        anchors: Places of the views, V of them.
        pairs: Copies a photo with two faults of different qualities.
        seed: Of strengths and faults; a photo's copies depend on its number alone.
        done: Told how many photos are done.
    """
    embeddings, owners, strengths = [], [], []
    for count, number in enumerate([*photos, *clean], start=1):
        copies = [(np.asarray(store[number]), np.full(len(RENDERINGS), np.nan))]
        if count <= len(photos):
            rng = np.random.default_rng([seed, number, 29])
            copies += _copies(copies[0][0], pairs, rng)
        views = np.concatenate([cut(pixels, size, anchors) for pixels, _ in copies])
        embeddings.append(embed(views).reshape(len(copies), len(anchors), -1).mean(axis=1))
        owners += [number] * len(copies)
        strengths += [strength for _, strength in copies]
        if done is not None:
            done(count)
    return Planted(
        embeddings=np.concatenate(embeddings).astype(np.float64),
        photo=np.array(owners),
        strength=np.stack(strengths),
    )


def _copies(
    photo: NDArray[np.uint8], pairs: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.uint8], Floats]]:
    made = [_planted(photo, [index], rng) for index in range(len(RENDERINGS))]
    for _ in range(pairs):
        first, second = rng.choice(len(RENDERINGS), 2, replace=False)
        while RENDERINGS[second].reason == RENDERINGS[first].reason:
            second = rng.integers(len(RENDERINGS))
        # Compression comes last in a camera, and noise after blur.
        made.append(_planted(photo, sorted((int(first), int(second)), key=_turn), rng))
    return made


def _turn(index: int) -> int:
    last = {"noise": 1, "compression": 2}
    return last.get(RENDERINGS[index].reason, 0)


def _planted(
    photo: NDArray[np.uint8], faults: Sequence[int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Floats]:
    strength = np.full(len(RENDERINGS), np.nan)
    for index in faults:
        strength[index] = rng.random()
        photo = plant(photo, RENDERINGS[index], float(strength[index]), rng=rng)
    return photo, strength


def noticed_at(
    planted: Planted, scores: Floats, *, drop: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Strength of each rendering at which half of people are taken to notice it.

    Nobody was asked. What is known is how people scored photos: where a copy scores `drop` below
    its original, three of four prefer the original (`tie_width`), which is what is seen where half
    notice the difference and the other half guess. So the strength at which the middle drop of the
    copies reaches that is taken, within `FLOOR` and `CAP`.

    Args:
        planted: Photos and copies.
        scores: Their scores by the scorer itself, (n,).
        drop: Its tie width.

    Returns:
        Strengths, (R,), and whether the drop was reached within the bounds, (R,).

    Raises:
        DataError: If a rendering was planted nowhere alone.
    """
    clean: dict[int, float] = {}
    for row in np.flatnonzero(planted.clean):
        clean[int(planted.photo[row])] = float(scores[row])
    found, reached = np.empty(len(RENDERINGS)), np.zeros(len(RENDERINGS), dtype=bool)
    for index in range(len(RENDERINGS)):
        rows = np.flatnonzero(planted.single & ~np.isnan(planted.strength[:, index]))
        if not len(rows):
            raise DataError(f"{RENDERINGS[index].name} was planted nowhere alone")
        rows = rows[np.argsort(planted.strength[rows, index], kind="stable")]
        drops = np.array([clean[int(planted.photo[r])] - scores[r] for r in rows])
        parts = np.array_split(np.arange(len(rows)), min(_BINS, len(rows)))
        middle = np.array([np.median(drops[p]) for p in parts])
        at = np.array([np.median(planted.strength[rows[p], index]) for p in parts])
        crossing = _crossing(at, np.maximum.accumulate(middle), drop)
        found[index] = np.clip(crossing, FLOOR, CAP)
        reached[index] = crossing <= CAP
    return found, reached


def _crossing(at: Floats, rising: Floats, level: float) -> float:
    above = np.flatnonzero(rising >= level)
    if not len(above):
        return float("inf")
    first = int(above[0])
    if first == 0:
        return float(at[0])
    low, high = rising[first - 1], rising[first]
    share = (level - low) / max(high - low, 1e-12)
    return float(at[first - 1] + share * (at[first] - at[first - 1]))


def targets(planted: Planted, half: Floats, reasons: Sequence[str]) -> NDArray[np.float64]:
    """Share of people taken to name each reason of each photo, (n, K).

    Args:
        planted: Photos and copies.
        half: From `noticed_at`.
        reasons: Ids, K of them.
    """
    with np.errstate(invalid="ignore"):
        noticed = 1 / (1 + np.exp(-(planted.strength - half) / (WIDTH / np.log(3))))
    noticed = np.where(np.isnan(noticed), 0.0, noticed)
    owners: list[Rendering] = list(RENDERINGS)
    columns = [
        noticed[:, [i for i, r in enumerate(owners) if r.reason == reason]].max(axis=1)
        for reason in reasons
    ]
    return np.stack(columns, axis=1)
