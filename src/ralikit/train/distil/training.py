"""The small tower's training: alignment's steps, with what the teacher says as the target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.files import sha256_bytes, to_json
from ralikit.model.folded import BasisHead
from ralikit.model.head import Head
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.distil.copies import Copies
from ralikit.train.distil.losses import missed_variance, order_loss
from ralikit.train.distil.recipe import DistilSettings
from ralikit.train.distil.teacher import Said
from ralikit.train.rali import losses
from ralikit.train.rali.align import Alignment
from ralikit.train.rali.augment import take
from ralikit.train.rali.batches import Batch, Batches
from ralikit.train.rali.objective import AlignData
from ralikit.train.rali.photo_store import PhotoStore
from ralikit.train.world import World


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """What the small tower learns from.

    Attributes:
        store: The photos at the small scorer's size, N of them.
        copies: Their degraded copies.
        train: Numbers of the photos to train on, (n,).
        degraded: Numbers of those that come with copies too, (c,).
        clean: What the teacher says of every photo in the store, (N, D) and (N,).
        worse: What it says of the copies of the degraded ones, (c, 2, D) and (c, 2).
        key: Names teacher and photos.
    """

    store: PhotoStore
    copies: Copies
    train: NDArray[np.int64]
    degraded: NDArray[np.int64]
    clean: Said
    worse: Said
    key: str


class ChainBatches(Batches):
    """Batches in which some photos also show their two degraded copies, cut at the same place."""

    def __init__(
        self, lessons: Lessons, settings: DistilSettings, preprocess: Preprocess, world: World
    ) -> None:
        steps = settings.steps_as()
        size = steps.crops.size or preprocess.size
        super().__init__(lessons.store, lessons.train, steps, size, world)
        self._lessons, self._distil, self._preprocess = lessons, settings, preprocess
        self._has_copies = set(lessons.degraded.tolist())

    def make(self, step: int) -> Batch:
        """Cut one step's views, and the copies of the first of its photos that have some."""
        photos, crops = self.photos_of(step), self._settings.crops

        def cut(pixels: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
            return take(pixels, self._size, crops, self._rng(0, step, row))

        views = [cut(self._store[int(p)], row) for row, p in enumerate(photos)]
        rows = [row for row, p in enumerate(photos) if int(p) in self._has_copies]
        rows = rows[: self._distil.chains] if self._distil.order_weight else []
        for row in rows:
            found = self._lessons.copies.of(int(photos[row]), self._preprocess)
            views += [cut(copy, row) for copy in found]
        none = np.zeros(len(rows))
        return Batch(
            step,
            photos,
            np.stack(views),
            np.array(rows, dtype=np.int64),
            np.zeros((len(rows), 2), dtype=np.float32),
            none.astype(np.int64) - 1,
            none.astype(np.float32) + 1,
        )


class Distillation(Alignment):
    """A small tower in training on what a teacher says.

    Args:
        tower: Trained in place.
        head: The teacher's read-out, which the small scorer keeps.
        lessons: Photos, and what the teacher says of them.
        settings: How.
        preprocess: The small scorer's.
        device: Where the tower is.
    """

    def __init__(
        self,
        tower: Tower,
        head: Head,
        lessons: Lessons,
        settings: DistilSettings,
        preprocess: Preprocess,
        *,
        device: torch.device | None = None,
    ) -> None:
        nothing = np.zeros((len(lessons.store), 0, 0), dtype=np.float32)
        data = AlignData(lessons.store, lessons.train, lessons.clean.scores, nothing)
        super().__init__(tower, data, settings.steps_as(), preprocess, device=device)
        self.batches = ChainBatches(lessons, settings, preprocess, self.world)
        self._lessons, self._distil = lessons, settings
        self._head = BasisHead(head).float().requires_grad_(False).to(self.device)
        self._clean = self._tensor(lessons.clean.embeddings)
        self._worse = self._tensor(lessons.worse.embeddings)
        self._worse_scores = self._tensor((lessons.worse.scores - self.mean) / self.std)
        self._place = {int(n): i for i, n in enumerate(lessons.degraded)}
        own = self._clean[self._train]
        self._variance = float((own - own.mean(dim=0)).square().sum(dim=-1).mean())

    def objective(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The loss of a step: embeddings, scores and order held against the teacher's.

        Args:
            embeddings: Of the views and then of the copies, (n + 2 c, D).
            batch: What they show.
        """
        s, count = self._distil, len(batch.photos)
        numbers = torch.from_numpy(batch.photos).to(self.device)
        chained = [self._place[int(batch.photos[row])] for row in batch.chain]
        target = torch.cat([self._clean[numbers], self._worse[chained].flatten(0, 1)])
        missed = missed_variance(embeddings, target, self._variance)
        scores = (self._head(embeddings) - self.mean) / self.std
        wanted = self._scores[numbers]
        agree = losses.agreement_loss(scores[:count], wanted, None, mse_weight=s.mse_weight)
        order = torch.zeros((), device=self.device)
        if chained:
            rows = torch.from_numpy(batch.chain).to(self.device)
            own = torch.cat([scores[rows][:, None], scores[count:].reshape(-1, 2)], dim=1)
            theirs = torch.cat([wanted[rows][:, None], self._worse_scores[chained]], dim=1)
            order = order_loss(own, theirs)
        loss = s.embedding_weight * missed + s.score_weight * agree + s.order_weight * order
        return loss, {
            "loss": float(loss.detach()),
            "missed_variance": float(missed.detach()),
            "scores": float(agree.detach()),
            "order": float(order.detach()),
        }

    def _fingerprint(self) -> str:
        settings = self._distil.steps_as()
        own = {
            name: getattr(self._distil, name)
            for name in ("embedding_weight", "score_weight", "order_weight", "degraded", "chains")
        }
        data = sha256_bytes(self._lessons.key.encode() + self._lessons.train.tobytes())
        return super()._fingerprint() + to_json(
            {"own": own, "seed": settings.seed, "data": data}, indent=None
        )
