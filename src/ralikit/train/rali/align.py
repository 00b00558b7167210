"""Alignment: the image tower learns to say, in embeddings, what the frozen texts say."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.errors import TrainingError
from ralikit.extras import require
from ralikit.files import publish, sha256_bytes, to_json
from ralikit.lines import numbered_lines
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.rali import losses
from ralikit.train.rali.align_settings import MACHINE, AlignSettings, align_mapping
from ralikit.train.rali.batches import Batch, Batches
from ralikit.train.rali.photo_store import PhotoStore
from ralikit.train.world import World

# What torch.load raises over a file that is torn or was never a checkpoint.
_UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, KeyError, struct.error, UnpicklingError)

_GOOD = 0.7
"""Score, in standard deviations, from which on a photo is taken to have no fault to speak of."""

_MOST_SCALE = 100.0
"""What cosines are multiplied by at most where the temperature is trained (CLIP, section 2.5)."""

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"

Progress = Callable[[int, int, dict[str, float]], None]
Validate = Callable[[Tower], dict[str, float]]


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


class Alignment:
    """A tower in training: steps, checkpoints, and the weights that are kept in the end.

    Args:
        tower: Trained in place.
        data: Photos, scores, text embeddings.
        settings: How.
        preprocess: The bundle's; training views have its size, mean and std.
        world: This process among all.
        device: Where the tower is.
    """

    def __init__(
        self,
        tower: Tower,
        data: AlignData,
        settings: AlignSettings,
        preprocess: Preprocess,
        *,
        world: World | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.world = world or World()
        self.device = device or torch.device("cpu")
        self.settings, self.data = settings, data
        self.world.share(settings.batch)
        if len(data.train) < settings.batch:
            raise TrainingError(
                f"{len(data.train)} photos are fewer than a batch of {settings.batch}"
            )
        self.tower = tower.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        tower.dropout = settings.dropout
        tower.recompute = settings.gradient_checkpointing
        freeze_parameters(tower, settings.frozen)
        self.average = copy.deepcopy(tower).requires_grad_(False).eval()
        self.batches = Batches(
            data.store,
            data.train,
            settings,
            settings.crops.size or preprocess.size,
            self.world,
            sets=data.sets,
        )
        self.steps = max(1, round(self.batches.per_epoch * settings.epochs))
        self.step = 0
        scores = data.scores[data.train]
        self.mean, self.std = float(scores.mean()), float(max(scores.std(), 1e-6))
        self._scores = self._tensor((data.scores - self.mean) / self.std)
        self._texts = self._tensor(data.texts)
        balanced = settings.balance is not None and data.sets is not None
        self._sets = torch.from_numpy(data.sets).to(self.device) if balanced else None
        self._axes = None if data.axes is None else self._tensor(data.axes)
        self._train = torch.from_numpy(data.train).to(self.device)
        self._pixel_mean = self._tensor(np.array(preprocess.mean) * 255)
        self._pixel_std = self._tensor(np.array(preprocess.std) * 255)
        start = torch.tensor(math.log(1 / settings.temperature), device=self.device)
        self._log_scale = torch.nn.Parameter(start, requires_grad=settings.learn_temperature)
        self._optimizer = self._make_optimizer()
        self._bank = (-1, torch.empty(0))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(self.device)

    def _make_optimizer(self) -> torch.optim.AdamW:
        named = [(n, p) for n, p in self.tower.named_parameters() if p.requires_grad]
        last = [p for n, p in named if n.startswith("projection")]
        rest = [p for n, p in named if not n.startswith("projection")]
        groups: list[dict[str, Any]] = [{"params": rest, "scale": 1.0}]
        if last:
            groups.append({"params": last, "scale": self.settings.projection_rate})
        if self.settings.learn_temperature:
            groups.append({"params": [self._log_scale], "scale": 1.0, "weight_decay": 0.0})
        decay = self.settings.weight_decay
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate, weight_decay=decay)

    @property
    def temperature(self) -> float:
        """What divides image-text cosines now."""
        learnt = self.settings.learn_temperature
        return math.exp(-float(self._log_scale.detach())) if learnt else self.settings.temperature

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        s = self.settings
        warm = min(1.0, (step + 1) / s.warmup_steps) if s.warmup_steps else 1.0
        if s.schedule == "constant":
            return s.learning_rate * warm
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return s.learning_rate * warm * (fall * (1 - s.final_rate) + s.final_rate)

    def run(
        self,
        out: Path,
        *,
        resume: bool,
        progress: Progress | None = None,
        validate: Validate | None = None,
    ) -> None:
        """Train to the end, with checkpoints and a line of metrics for every step.

        Args:
            out: Folder of checkpoint and metrics.
            resume: Go on from the checkpoint there, if any; the same losses follow as without the
                interruption.
            progress: Told step, steps and the step's figures.
            validate: Asked of the averaged tower, in evaluation mode, every
                `settings.validate_every` steps and after the last; its figures stand in the step's
                line. The first process alone asks.

        Raises:
            TrainingError: If a loss is not finite (the last checkpoint stays), or the checkpoint
                belongs to other settings.
        """
        if resume and (out / CHECKPOINT).is_file():
            self.load(out / CHECKPOINT)
        every = self.settings.save_every or self.batches.per_epoch
        asked = self.settings.validate_every or self.batches.per_epoch
        with self._log(out) as log:
            for batch in self.batches.ahead(self.step, self.steps):
                started = time.perf_counter()
                figures = self.train_step(batch)
                figures["seconds"] = time.perf_counter() - started
                if self.device.type == "cuda":
                    figures["gpu_peak_bytes"] = torch.cuda.max_memory_allocated(self.device)
                due = self.step % asked == 0 or self.step == self.steps
                if validate is not None and due:
                    if self.world.first:
                        figures |= validate(self.average)
                    self.world.wait()
                log({"step": batch.step, **figures})
                if progress is not None and self.world.first:
                    progress(self.step, self.steps, figures)
                if self.step % every == 0 or self.step == self.steps:
                    if self.world.first:
                        self.save(out / CHECKPOINT)
                    self.world.wait()

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on a batch; its figures (loss and parts, learning rate)."""
        rate = self.rate(batch.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.tower.train()
        parts = self._parts(batch.pixels)
        one_pass = len(parts) == 1
        with torch.set_grad_enabled(one_pass):
            passes = [self._embed(part, batch.step, i) for i, part in enumerate(parts)]
        embeddings = torch.cat([e.detach() for e in passes]).requires_grad_()
        loss, figures = self.objective(embeddings, batch)
        if not math.isfinite(figures["loss"]):
            raise TrainingError(
                f"the loss became {figures['loss']} at step {batch.step}; the last checkpoint is "
                "kept: lower learning_rate or look at the batch's photos"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        if embeddings.grad is None:
            raise TrainingError("the loss does not depend on the embeddings")
        gradients = torch.split(embeddings.grad, [len(p) for p in parts])
        for index, (part, gradient) in enumerate(zip(parts, gradients, strict=True)):
            again = passes[0] if one_pass else self._embed(part, batch.step, index)
            again.backward(gradient)  # type: ignore[no-untyped-call]
        trained = [p for p in self.tower.parameters() if p.requires_grad]
        self.world.sum_gradients([*trained, *self._beside()])
        norm = torch.nn.utils.clip_grad_norm_(trained, self.settings.clip_norm)
        # Every process has the whole gradient of the temperature: it is neither summed nor cut.
        self._optimizer.step()
        self._bound()
        self._optimizer.zero_grad(set_to_none=True)
        self.step = batch.step + 1
        self._update_average()
        return {**figures, "learning_rate": rate, "gradient_norm": float(norm)}

    def _beside(self) -> list[torch.nn.Parameter]:
        """What is trained beside the tower, of whose gradient each process has a part."""
        return []

    @torch.no_grad()
    def _bound(self) -> None:
        """Hold what is trained beside the tower where it may be."""
        if self.settings.learn_temperature:
            self._log_scale.clamp_(max=math.log(_MOST_SCALE))

    def _parts(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        size = self.settings.micro_batch or len(pixels)
        return [pixels[i : i + size] for i in range(0, len(pixels), size)]

    def _embed(self, pixels: NDArray[np.uint8], step: int, part: int) -> Tensor:
        # Dropout's draws depend on step, part and process alone: a second pass over a part, or a
        # resumed run, drops the same features.
        torch.manual_seed(hash((self.settings.seed, step, part, self.world.rank)) % (1 << 62))
        image = torch.from_numpy(pixels).to(self.device, torch.float32)
        # The permuted view is channels-last in memory, the fast layout for convolutions.
        views = ((image - self._pixel_mean) / self._pixel_std).permute(0, 3, 1, 2)
        with self._autocast():
            features = self.tower.features(views)
        embedding: Tensor = self.tower.project(features.float()).float()
        return embedding

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        enabled = self.settings.autocast == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

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
        main = losses.agreement_loss(scores, target, sets, mse_weight=s.mse_weight)
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

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = (
            0.0
            if self.settings.ema is None
            else min(self.settings.ema, self.step / (self.step + 9))
        )
        pairs = zip(self.average.parameters(), self.tower.parameters(), strict=True)
        for average, current in pairs:
            average.lerp_(current, 1 - decay)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "settings": self._fingerprint(),
            "step": self.step,
            "tower": self.tower.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        with publish(path, overwrite=True) as draft:
            torch.save({**state, **self._state_beside()}, draft)

    def _state_beside(self) -> dict[str, Any]:
        """What a checkpoint keeps of what is trained beside the tower."""
        return {"log_scale": self._log_scale.detach()} if self.settings.learn_temperature else {}

    @torch.no_grad()
    def _load_beside(self, state: dict[str, Any]) -> None:
        if self.settings.learn_temperature:
            self._log_scale.copy_(state["log_scale"])

    def load(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: If it cannot be read or belongs to other settings.
        """
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except _UNREADABLE as error:
            raise TrainingError(f"{path} is no checkpoint that can be read: {error}") from error
        if state["settings"] != self._fingerprint():
            raise TrainingError(
                f"{path} belongs to other settings or photos; remove it or use another folder"
            )
        self.tower.load_state_dict(state["tower"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._load_beside(state)
        self.step = state["step"]

    def _fingerprint(self) -> str:
        settings = {k: v for k, v in align_mapping(self.settings).items() if k not in MACHINE}
        data = sha256_bytes(self.data.train.tobytes() + self.data.scores.tobytes())
        return to_json({"settings": settings, "data": data}, indent=None)

    @contextlib.contextmanager
    def _log(self, out: Path) -> Iterator[Callable[[dict[str, float]], None]]:
        """Write metrics to JSONL (lines after the resumed step are dropped) and TensorBoard."""
        if not self.world.first:
            yield lambda _figures: None
            return
        path = out / METRICS
        written = path.read_bytes() if path.is_file() else b""
        kept = [line for _, line in numbered_lines(written) if _step_of(line) < self.step]
        board = None
        if self.settings.tensorboard:
            require("tensorboard", extra="tensorboard", job="Writing TensorBoard files")
            from torch.utils.tensorboard import SummaryWriter

            board = SummaryWriter(str(out / "tensorboard"), purge_step=self.step)
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(line.decode() + "\n" for line in kept)

            def log(figures: dict[str, float]) -> None:
                stream.write(json.dumps(figures) + "\n")
                stream.flush()
                if board is not None:
                    for name, value in figures.items():
                        board.add_scalar(name, value, figures["step"])

            try:
                yield log
            finally:
                if board is not None:
                    board.close()


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # a line that a kill tore in half


def freeze_parameters(tower: Tower, prefixes: tuple[str, ...]) -> None:
    """Let the parameters of these names, or that begin with them and a dot, stay as they are.

    Raises:
        TrainingError: If no parameter is called so.
    """
    names = [n for n, _ in tower.named_parameters()]
    for prefix in prefixes:
        if not any(n == prefix or n.startswith(f"{prefix}.") for n in names):
            raise TrainingError(f"frozen: no parameter of the tower is called {prefix!r}")
    for name, parameter in tower.named_parameters():
        frozen = any(name == p or name.startswith(f"{p}.") for p in prefixes)
        parameter.requires_grad_(not frozen)


def ridge(
    x: NDArray[Any], y: NDArray[Any], *, strength: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ridge regression, the penalty relative to the features' mean variance.

    Args:
        x: Features, (n, F).
        y: Targets, (n, D).
        strength: 1 shrinks a direction of mean variance by half.

    Returns:
        Weights, (D, F), and intercept, (D,).
    """
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    a = (x - mean_x).astype(np.float64)
    gram = a.T @ a
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, a.T @ (y - mean_y)).T
    return weights, mean_y - weights @ mean_x


@torch.no_grad()
def start_projection(
    projection: torch.nn.Linear, weights: NDArray[Any], intercept: NDArray[Any]
) -> None:
    """Let a projection begin at a regression, (D, F) and (D,); without a bias, at its slopes."""
    projection.weight.copy_(torch.from_numpy(weights))
    if projection.bias is not None:
        projection.bias.copy_(torch.from_numpy(intercept))
