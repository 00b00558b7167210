"""Alignment: the image tower learns to say, in embeddings, what the frozen texts say."""

from __future__ import annotations

import contextlib
import copy
import math
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.errors import TrainingError
from ralikit.files import publish, sha256_bytes, to_json
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.train.rali.align_settings import MACHINE, AlignSettings, align_mapping
from ralikit.train.rali.batches import Batch, Batches
from ralikit.train.rali.initial import freeze_parameters
from ralikit.train.rali.metrics_log import metrics_log
from ralikit.train.rali.objective import AlignData, Objective
from ralikit.train.world import World

# What torch.load raises over a file that is torn or was never a checkpoint.
_UNREADABLE = (OSError, RuntimeError, ValueError, EOFError, KeyError, struct.error, UnpicklingError)

_MOST_SCALE = 100.0
"""What cosines are multiplied by at most where the temperature is trained (CLIP, section 2.5)."""

CHECKPOINT = "checkpoint.pt"

Progress = Callable[[int, int, dict[str, float]], None]
Validate = Callable[[Tower], dict[str, float]]


class Alignment(Objective):
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
        world, device = world or World(), device or torch.device("cpu")
        world.share(settings.batch)
        if len(data.train) < settings.batch:
            raise TrainingError(
                f"{len(data.train)} photos are fewer than a batch of {settings.batch}"
            )
        batches = Batches(
            data.store,
            data.train,
            settings,
            settings.crops.size or preprocess.size,
            world,
            sets=data.sets,
        )
        super().__init__(data, settings, batches, world, device)
        self.tower = tower.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        tower.dropout = settings.dropout
        tower.recompute = settings.gradient_checkpointing
        freeze_parameters(tower, settings.frozen)
        self.average = copy.deepcopy(tower).requires_grad_(False).eval()
        self.steps = max(1, round(self.batches.per_epoch * settings.epochs))
        self.step = 0
        self._pixel_mean = self._tensor(np.array(preprocess.mean) * 255)
        self._pixel_std = self._tensor(np.array(preprocess.std) * 255)
        self._optimizer = self._make_optimizer()

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
        """The run's metrics; the first process alone writes them."""
        if not self.world.first:
            yield lambda _figures: None
            return
        with metrics_log(out, step=self.step, tensorboard=self.settings.tensorboard) as log:
            yield log
