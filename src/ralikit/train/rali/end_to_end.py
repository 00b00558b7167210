"""The score fit that also moves the tower (`fit.tower_rate`): basis, scores and tower in one loss.

RALI's paper fine-tunes "centroids and scores" on images and scores. Read strictly, the tower
stays: that is `ralikit.train.rali.fit`. Read as a fine-tuning of the scoring from the image on, the
tower moves with them: that is this stage. It begins at the clustered basis on the aligned tower and
trains with the score fit's own loss, on fresh views instead of features computed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.config import to_mapping
from ralikit.files import publish, read_json, sha256_bytes, sha256_path, to_json, write_text
from ralikit.model.bundle import read_safetensors, write_safetensors
from ralikit.model.head import Head, unit
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.rali import losses
from ralikit.train.rali.align import Alignment
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.batches import Batch
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.objective import AlignData
from ralikit.train.rali.run import Run
from ralikit.train.rali.weights import write_tower
from ralikit.train.world import World

FOLDER = "end_to_end"
_TOWER, _HEAD, _START, _DONE = "tower.safetensors", "head.safetensors", "start.safetensors", "done"
_PARTS = ("pca_mean", "pca_components", "centroids", "scores")


class EndToEnd(Alignment):
    """A tower and its read-out in training, with an alignment's steps, checkpoints and processes.

    Args:
        tower: The aligned tower, trained in place.
        start: The clustered basis on it.
        data: Photos and scores; texts are not read.
        fit: How.
        align: The alignment's settings: crops, frozen parts, precision, weight decay.
        preprocess: The bundle's.
        scale: Ends of the score scale; centroid scores never leave it.
        world: This process among all.
        device: Where the tower is.
    """

    def __init__(
        self,
        tower: Tower,
        start: Head,
        data: AlignData,
        fit: FitSettings,
        align: AlignSettings,
        preprocess: Preprocess,
        *,
        scale: tuple[float, float] = (1.0, 5.0),
        world: World | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.fit, self._scale, self._start = fit, scale, start
        place = device or torch.device("cpu")

        def moving(array: NDArray[np.floating], moves: bool = True) -> nn.Parameter:
            numbers = torch.from_numpy(np.asarray(array, dtype=np.float32)).to(place)
            return nn.Parameter(numbers, requires_grad=moves)

        self._components = moving(start.pca_components, fit.fit_projection)
        self._centroids, self._values = moving(start.centroids), moving(start.scores)
        self._pca_mean = moving(start.pca_mean, False)
        self._origin = self._centroids.detach().clone(), self._values.detach().clone()
        super().__init__(
            tower, data, _as_alignment(fit, align), preprocess, world=world, device=device
        )
        self.steps = fit.steps

    def rate(self, step: int) -> float:
        """The tower's rate, falling as half a cosine; the basis's is in proportion."""
        return self.fit.tower_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def _make_optimizer(self) -> torch.optim.AdamW:
        tower = [p for p in self.tower.parameters() if p.requires_grad]
        faster = self.fit.learning_rate / self.fit.tower_rate
        groups = [
            {"params": tower, "scale": 1.0},
            {"params": self._beside(), "scale": faster, "weight_decay": 0.0},
        ]
        decay = self.settings.weight_decay
        return torch.optim.AdamW(groups, lr=self.fit.tower_rate, weight_decay=decay)

    def _beside(self) -> list[nn.Parameter]:
        read_out = (self._centroids, self._values, self._components)
        return [p for p in read_out if p.requires_grad]

    @torch.no_grad()
    def _bound(self) -> None:
        self._values.clamp_(*self._scale)

    def _read(self, embeddings: Tensor) -> Tensor:
        x = F.normalize(embeddings, dim=-1) if self.fit.normalize else embeddings
        return losses.basis_read(
            x - self._pca_mean,
            self._components,
            self._centroids,
            self._values,
            temperature=self.fit.temperature,
        )

    def objective(self, embeddings: Tensor, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The score fit's loss over the whole batch, in spreads of the opinion scores.

        Scores are gathered, not embeddings: a process's part of the read-out's gradient is then
        that of its own photos, and the parts add up as the tower's do.

        Args:
            embeddings: This process's views and degraded copies, (n + 2 c, D).
            batch: What they show.
        """
        mine = self.world.share(len(batch.photos))
        count = mine.stop - mine.start
        numbers = torch.from_numpy(batch.photos).to(self.device)
        read = self._read(embeddings) / self.std
        sets = None if self._sets is None else self._sets[numbers]
        main = losses.agreement_loss(
            self.world.gather(read[:count]) - self.mean / self.std,
            self._scores[numbers],
            sets,
            mse_weight=self.fit.mse_weight,
        )
        pull = losses.basis_pull(self._centroids, self._values, *self._origin)
        ranking = self._ranking(read, count, batch)
        own = self.fit.rank_weight * ranking
        loss = main + self.fit.keep * pull / self.world.size + own
        told = main + self.fit.keep * pull + self.world.total(own)
        return loss, {
            "loss": float(told.detach()),
            "readout": float(main.detach()),
            "pull": float(pull.detach()),
            "ranking": float(self.world.total(ranking)),
        }

    def head(self) -> Head:
        """The read-out as it is now."""
        mean, components, centroids, values = (
            p.detach().double().cpu().numpy()
            for p in (self._pca_mean, self._components, self._centroids, self._values)
        )
        return replace(
            self._start,
            pca_mean=mean,
            pca_components=components,
            centroids=unit(centroids),
            scores=values,
        )

    def _state_beside(self) -> dict[str, Any]:
        return {"read_out": [p.detach() for p in self._beside()]}

    @torch.no_grad()
    def _load_beside(self, state: dict[str, Any]) -> None:
        for parameter, kept in zip(self._beside(), state["read_out"], strict=True):
            parameter.copy_(kept)

    def _fingerprint(self) -> str:
        start = b"".join(getattr(self._start, name).tobytes() for name in _PARTS)
        return to_json(
            {
                "align": super()._fingerprint(),
                "fit": to_mapping(self.fit),
                "start": sha256_bytes(start),
            },
            indent=None,
        )


def _as_alignment(fit: FitSettings, align: AlignSettings) -> AlignSettings:
    """The alignment's settings with those that a score fit has of its own."""
    return replace(
        align,
        objective="readout",
        epochs=1,  # the fit counts steps
        batch=fit.batch,
        learning_rate=fit.tower_rate,
        learn_temperature=False,
        balance=fit.balance,
        chains=fit.batch // 2 if fit.chains else 0,
        reason_weight=0.0,
        rank_weight=fit.rank_weight,
        margin=fit.margin,
        ema=None,  # what is read off it, the basis, has no average
        seed=fit.seed,
    )


def is_done(run: Run) -> bool:
    """Whether the run's folder holds this fit's tower and read-out."""
    done = run.out / FOLDER / f"{_DONE}.json"
    return done.is_file() and bool(read_json(done).get("key") == _key(run))


def train(run: Run, tower: Tower, start: Callable[[], Head], *, resume: bool = True) -> None:
    """Train the aligned tower and its read-out together; every process of the run calls this.

    Writes ``end_to_end/``: checkpoint, metrics, ``tower.safetensors`` (float16) and
    ``head.safetensors``. A killed run goes on from its checkpoint.

    Args:
        run: The run.
        tower: Its aligned tower.
        start: Gives the clustered basis; the first process alone asks.
        resume: Go on from the checkpoint there, if any.
    """
    folder, recipe = run.out / FOLDER, run.recipe
    if run.world.first:
        folder.mkdir(parents=True, exist_ok=True)
        began = read_json(folder / "begun.json") if (folder / "begun.json").is_file() else {}
        if began.get("key") != _key(run):
            for name in ("checkpoint.pt", "metrics.jsonl", f"{_DONE}.json"):
                (folder / name).unlink(missing_ok=True)
            _write_head(folder / _START, start())
            write_text(folder / "begun.json", to_json({"key": _key(run)}))
    run.world.wait()
    photos = run.fit_photos(recipe.fit)
    no_texts = np.zeros((len(run.samples), 0, 0), np.float32)
    scale = recipe.bundle.scale
    training = EndToEnd(
        tower,
        _read_head(folder / _START, recipe.fit),
        AlignData(run.store, photos, run.scores, no_texts, run.sets()),
        recipe.fit,
        recipe.align,
        run.preprocess,
        scale=(scale.minimum, scale.maximum),
        world=run.world,
        device=run.world.device,
    )

    def told(step: int, steps: int, figures: dict[str, float]) -> None:
        run.tell(f"fitting end to end, loss {figures['loss']:.3f}", step / steps)

    training.run(folder, resume=resume, progress=told)
    if run.world.first:
        write_tower(folder / _TOWER, training.tower)
        _write_head(folder / _HEAD, training.head())
        write_text(folder / f"{_DONE}.json", to_json({"key": _key(run)}))
    run.world.wait()


def trained(run: Run) -> tuple[Path, Head]:
    """The tower's file and the read-out that `train` wrote."""
    folder = run.out / FOLDER
    return folder / _TOWER, _read_head(folder / _HEAD, run.recipe.fit)


def _key(run: Run) -> str:
    """Hash of all that this fit depends on."""
    parts = {"fit": to_mapping(run.recipe.fit), "scale": to_mapping(run.recipe.bundle.scale)}
    return sha256_bytes(f"{sha256_path(run.out / 'tower.safetensors')} {to_json(parts)}".encode())


def _write_head(path: Path, head: Head) -> None:
    with publish(path, overwrite=True) as draft:
        write_safetensors(draft, {name: getattr(head, name) for name in _PARTS})


def _read_head(path: Path, fit: FitSettings) -> Head:
    parts = read_safetensors(path)
    return Head(
        pca_scale=np.ones_like(parts["pca_mean"]),
        temperature=fit.temperature,
        normalize=fit.normalize,
        **{name: parts[name] for name in _PARTS},
    )
