"""Training batches, each a function of seed and step alone: a resumed run draws the same ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import TrainingError
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.augment import draw_chain, take
from ralikit.train.rali.photo_store import PhotoStore
from ralikit.train.world import World

# Streams of the generator, so that one draw never shifts another.
_ORDER, _CHAIN, _TEXT, _BANK = 1, 2, 3, 4


@dataclass(frozen=True)
class Batch:
    """One process's part of a step.

    Attributes:
        step: Number of the step.
        photos: Numbers of all photos of the step, over all processes, (batch,).
        pixels: This process's views, then its degraded copies (weak, strong, weak, …),
            (n + 2 c, S, S, 3) uint8.
        chain: For each chain of this process the row of its clean view, (c,).
        severities: Of the weak and the strong copy, (c, 2).
        reasons: Number in the bank of each chain's fault, (c,); -1: none of it.
        weights: Of a full severity on the score, (c,).
    """

    step: int
    photos: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    chain: NDArray[np.int64]
    severities: NDArray[np.float32]
    reasons: NDArray[np.int64]
    weights: NDArray[np.float32]


class Batches:
    """Draws batches of photos from a store."""

    def __init__(
        self,
        store: PhotoStore,
        photos: NDArray[np.int64],
        settings: AlignSettings,
        size: int,
        world: World,
        *,
        sets: NDArray[np.int64] | None = None,
    ) -> None:
        """Keep what is drawn from.

        Args:
            store: The photos.
            photos: Numbers of those to train on.
            settings: Batch, crops, chains, balance, seed.
            size: Edge of a view.
            world: This process among all.
            sets: Number of the data set of every photo in the store; needed for a balance.
        """
        self._sets = sets
        self._store, self._photos, self._settings = store, photos, settings
        self._size, self._world = size, world
        self.per_epoch = len(photos) // settings.batch

    def photos_of(self, step: int) -> NDArray[np.int64]:
        """Numbers of a step's photos: an epoch shows each photo once, its last few left out."""
        if self._settings.balance is not None and self._sets is not None:
            return self._balanced(step, self._sets)
        epoch, index = divmod(step, self.per_epoch)
        order = self._rng(_ORDER, epoch).permutation(self._photos)
        batch = self._settings.batch
        return order[index * batch : (index + 1) * batch]

    def _balanced(self, step: int, sets: NDArray[np.int64]) -> NDArray[np.int64]:
        """A step's photos with the shares of the settings' balance, mixed.

        Each set is gone through in an order of its own, drawn anew whenever it has been shown.
        """
        own = sets[self._photos]
        numbers, counts = np.unique(own, return_counts=True)
        parts = []
        for number, share in zip(
            numbers,
            shares(counts, self._settings.batch, self._settings.balance or 0.0),
            strict=True,
        ):
            photos = self._photos[own == number]
            places = np.arange(step * share, (step + 1) * share)
            for turn in np.unique(places // len(photos)):
                order = self._rng(_ORDER, int(number), int(turn)).permutation(photos)
                parts.append(order[places[places // len(photos) == turn] % len(photos)])
        return self._rng(_ORDER, step).permutation(np.concatenate(parts))

    def texts_of(self, epoch: int, count: int, texts: int) -> NDArray[np.int64]:
        """Which of its texts each photo shows in an epoch, (count,)."""
        return self._rng(_TEXT, epoch).integers(texts, size=count)

    def bank_of(self, step: int, count: int, texts: int) -> NDArray[np.int64]:
        """Which of its texts each photo has in the bank, (count,)."""
        draw = step // self._settings.bank_redraw
        return self._rng(_BANK, draw).integers(texts, size=count)

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._settings.seed, *stream])

    def make(self, step: int) -> Batch:
        """Cut and degrade one step's views."""
        photos = self.photos_of(step)
        mine = self._world.share(len(photos))
        views = [
            take(self._store[photos[i]], self._size, self._settings.crops, self._rng(0, step, i))
            for i in range(mine.start, mine.stop)
        ]
        chain, drawn_chains = [], []
        drawn = self._rng(_CHAIN, step).choice(len(photos), self._settings.chains, replace=False)
        for number, place in enumerate(drawn):
            if not mine.start <= place < mine.stop:
                continue
            rng = self._rng(_CHAIN, step, number)
            row = int(place) - mine.start
            edge = min(self._store[photos[place]].shape[:2])
            found = draw_chain(views[row], rng, faults=self._settings.faults, edge=edge)
            views += list(found.copies)
            chain.append(row)
            drawn_chains.append(found)
        return Batch(
            step,
            photos,
            np.stack(views),
            np.array(chain, dtype=np.int64),
            np.array([c.severities for c in drawn_chains], dtype=np.float32).reshape(-1, 2),
            np.array([c.reason for c in drawn_chains], dtype=np.int64),
            np.array([c.weight for c in drawn_chains], dtype=np.float32),
        )

    def ahead(self, first: int, stop: int, *, workers: int = 2) -> Iterator[Batch]:
        """Batches of steps `first` to `stop`, made beside the training."""
        depth = workers + 2
        with ThreadPoolExecutor(workers) as pool:
            pending = deque(
                pool.submit(self.make, s) for s in range(first, min(stop, first + depth))
            )
            for step in range(first, stop):
                batch = pending.popleft().result()
                if step + depth < stop:
                    pending.append(pool.submit(self.make, step + depth))
                yield batch


def shares(counts: NDArray[np.int64], batch: int, balance: float) -> list[int]:
    """How many photos of each set a batch has: in proportion to count ** balance, at least 2.

    Args:
        counts: Photos of each set.
        batch: Photos of a step.
        balance: 1: as many as there are; 0: the same of each.

    Raises:
        TrainingError: If a batch has no place for two of each.
    """
    if batch < 2 * len(counts):
        raise TrainingError(f"a batch of {batch} has no place for two photos of {len(counts)} sets")
    wanted = counts.astype(np.float64) ** balance
    wanted *= batch / wanted.sum()
    given = np.maximum(np.floor(wanted).astype(int), 2)
    while given.sum() < batch:
        given[np.argmax(wanted - given)] += 1
    while given.sum() > batch:
        given[np.argmax(np.where(given > 2, given - wanted, -np.inf))] -= 1
    return [int(n) for n in given]
