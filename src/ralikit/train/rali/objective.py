"""What an alignment learns towards, and its loss on a whole batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.train.rali import losses
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.batches import Batch, Batches
from ralikit.train.rali.photo_store import PhotoStore
from ralikit.train.world import World

_GOOD = 0.7
"""Score, in standard deviations, from which on a photo is taken to have no fault to speak of."""


@dataclass(frozen=True)
class AlignData:
    """What alignment learns from.

    Attributes:
        store: The photos.
        train: Numbers of the photos to train on, (n,).
        scores: MOS of every photo in the store, (N,), 1..5.
        texts: Text embeddings of every photo, (N, T, D), unit norm (centred or not); T = 0 for
            regression.
        sets: Number of every photo's data set, (N,); None: all are one.
        axes: The bank's reasons, (K, D), unit norm; None: not needed.
    """

    store: PhotoStore
    train: NDArray[np.int64]
    scores: NDArray[np.float32]
    texts: NDArray[np.float32]
    sets: NDArray[np.int64] | None = None
    axes: NDArray[np.float32] | None = None


class Objective:
    """Targets on their device, and the loss of embeddings against them.

    `ralikit.train.rali.align.Alignment` is the loop around it; other trainings replace
    `objective`.

    Args:
        data: Photos, scores, text embeddings.
        settings: How.
        batches: What draws the texts.
        world: This process among all.
        device: Where the tower is.
    """

    def __init__(
        self,
        data: AlignData,
        settings: AlignSettings,
        batches: Batches,
        world: World,
        device: torch.device,
    ) -> None:
        self.data, self.settings, self.batches = data, settings, batches
        self.world, self.device = world, device
        scores = data.scores[data.train]
        self.mean, self.std = float(scores.mean()), float(max(scores.std(), 1e-6))
        self._scores = self._tensor((data.scores - self.mean) / self.std)
        self._texts = self._tensor(data.texts)
        balanced = settings.balance is not None and data.sets is not None
        self._sets = torch.from_numpy(data.sets).to(self.device) if balanced else None
        self._axes = None if data.axes is None else self._tensor(data.axes)
        self._train = torch.from_numpy(data.train).to(self.device)
        start = torch.tensor(math.log(1 / settings.temperature), device=self.device)
        self._log_scale = torch.nn.Parameter(start, requires_grad=settings.learn_temperature)
        self._bank = (-1, torch.empty(0))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    @property
    def temperature(self) -> float:
        """What divides image-text cosines now."""
        learnt = self.settings.learn_temperature
        return math.exp(-float(self._log_scale.detach())) if learnt else self.settings.temperature

    def objective(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The loss over the whole batch, with this process's rows differentiable.

        Args:
            embeddings: This process's views and degraded copies, (n + 2 c, D).
            batch: What they show.
        """
        s = self.settings
        mine = self.world.share(len(batch.photos))
        count = mine.stop - mine.start
        numbers = torch.from_numpy(batch.photos).to(self.device)
        target = self._scores[numbers]
        clean = self.world.gather(embeddings[:count])
        epoch = batch.step // self.batches.per_epoch
        if s.objective == "clip":
            divisor = torch.exp(-self._log_scale) if s.learn_temperature else s.temperature
            loss = losses.clip_loss(clean, self._own_texts(epoch, numbers), temperature=divisor)
            learnt = {"temperature": self.temperature} if s.learn_temperature else {}
            return loss, {"loss": float(loss.detach()), **learnt}
        contrast = torch.zeros((), device=self.device)
        if s.objective == "regression":
            scores, copies = clean[:, 0], embeddings[:, 0]
        else:
            bank, bank_scores = self._bank_at(batch.step), self._scores[self._train]
            logits, scores = losses.read_out(clean, bank, bank_scores, temperature=s.temperature)
            _, copies = losses.read_out(embeddings, bank, bank_scores, temperature=s.temperature)
            if s.contrast_weight:
                contrast = losses.soft_contrastive_loss(
                    logits,
                    self._own_texts(epoch, numbers),
                    bank,
                    target,
                    bank_scores,
                    temperature=s.text_temperature,
                    sigma=s.sigma,
                )
        sets = None if self._sets is None else self._sets[numbers]
        main = losses.agreement_loss(
            scores, target, sets, mse_weight=s.mse_weight, by_photos=s.sets_weigh == "photos"
        )
        ranking = self._ranking(copies, count, batch)
        reasons = self._reasons(embeddings, count, target[mine.start : mine.stop], batch)
        own = s.rank_weight * ranking + s.reason_weight * reasons
        loss = main + s.contrast_weight * contrast + own
        told = main + s.contrast_weight * contrast + self.world.total(own)
        return loss, {
            "reasons": float(self.world.total(reasons)),
            "loss": float(told.detach()),
            "readout": float(main.detach()),
            "contrast": float(contrast.detach()),
            "ranking": float(self.world.total(ranking)),
        }

    def _ranking(self, scores: Tensor, count: int, batch: Batch) -> Tensor:
        """This process's part of the mean hinge over all chains of the step."""
        if not len(batch.chain):
            return torch.zeros((), device=self.device)
        chain = torch.from_numpy(batch.chain).to(self.device)
        copies = scores[count:].reshape(-1, 2)
        severities = torch.from_numpy(batch.severities).to(self.device)
        gaps = losses.chain_gaps(severities, margin=self.settings.margin)
        gaps = gaps * torch.from_numpy(batch.weights).to(self.device)[:, None]
        mean = losses.ranking_loss(torch.cat([scores[chain][:, None], copies], dim=1), gaps)
        return mean * (len(batch.chain) / self.settings.chains)

    def _reasons(self, embeddings: Tensor, count: int, scores: Tensor, batch: Batch) -> Tensor:
        """This process's part of the mean loss over all copies of known fault."""
        if self._axes is None or not len(batch.chain) or not self.settings.reason_weight:
            return torch.zeros((), device=self.device)
        mean = losses.reason_loss(
            embeddings[count:],
            torch.from_numpy(batch.severities).to(self.device).flatten(),
            torch.from_numpy(batch.reasons).to(self.device).repeat_interleave(2),
            embeddings[:count][scores > _GOOD],
            self._axes,
        )
        return mean * (len(batch.chain) / self.settings.chains)

    def read_scores(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of embeddings before anything is fitted on them, (n, D) -> (n,), 1..5.

        A regression's are its output. Otherwise they are read off the bank of the training photos'
        first texts at the objective's temperature, as RALI reads them off its basis.
        """
        rows = self._tensor(embeddings)
        if self.settings.objective == "regression":
            standard = rows[:, 0]
        else:
            bank, scores = self._texts[self._train, 0], self._scores[self._train]
            _, standard = losses.read_out(rows, bank, scores, temperature=self.temperature)
        found: NDArray[np.float32] = (standard * self.std + self.mean).clamp(1, 5).cpu().numpy()
        return found

    def _own_texts(self, epoch: int, numbers: Tensor) -> Tensor:
        count, texts = self._texts.shape[:2]
        drawn = torch.from_numpy(self.batches.texts_of(epoch, count, texts)).to(self.device)
        return self._texts[numbers, drawn[numbers]]

    def _bank_at(self, step: int) -> Tensor:
        draw = step // self.settings.bank_redraw
        if self._bank[0] != draw:
            count, texts = self._texts.shape[:2]
            drawn = torch.from_numpy(self.batches.bank_of(step, count, texts)).to(self.device)
            self._bank = (draw, self._texts[self._train, drawn[self._train]])
        return self._bank[1]
