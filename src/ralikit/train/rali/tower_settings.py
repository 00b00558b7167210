"""Settings that every training of an image tower has, whatever its loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ralikit.errors import UsageError
from ralikit.train.rali.augment import Crops


@dataclass(frozen=True, kw_only=True)
class TowerTraining:
    """How an image tower is trained.

    Attributes:
        epochs: Passes over the photos; a fraction is allowed.
        batch: Photos of an optimiser step, at least 2, over all processes.
        micro_batch: Photos in one forward pass of a process; None takes its whole share. The loss
            still sees the whole batch: embeddings are computed part by part, then their gradients
            are sent back part by part.
        learning_rate: Of AdamW (RALI's paper: 1e-5).
        projection_rate: Factor on it for the projection to the embedding's width.
        final_rate: Share of the learning rate left at the end of a cosine.
        warmup_steps: Steps of linear warm-up.
        weight_decay: Of AdamW.
        clip_norm: Gradient norm is cut to this.
        dropout: On the pooled features before the projection, where the tower has one.
        ema: Decay of the averaged weights that are kept in the end; None keeps the last ones.
        frozen: Names of parameters that stay, by prefix.
        crops: Training views.
        autocast: Precision of the forward pass; weights stay float32.
        gradient_checkpointing: Compute activations anew in the backward pass, to save memory.
        save_every: Steps between checkpoints; None: once an epoch.
        seed: Of everything drawn.
    """

    epochs: float
    batch: int
    micro_batch: int | None = None
    learning_rate: float = 1e-5
    projection_rate: float = 1.0
    final_rate: float = 0.0
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    dropout: float = 0.0
    ema: float | None = None
    frozen: tuple[str, ...] = ()
    crops: Crops = field(default_factory=Crops)
    autocast: Literal["off", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    save_every: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        positive = {
            "epochs": self.epochs,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "clip_norm": self.clip_norm,
        }
        for name, value in positive.items():
            if not value > 0:
                raise UsageError(f"{name} must be above 0, not {value}")
        if self.batch < 2:
            raise UsageError("batch must be at least 2: one photo has nothing to contrast with")
        if not 0 <= self.dropout < 1 or not 0 <= self.final_rate <= 1:
            raise UsageError("dropout lies in 0..1 and final_rate in 0..1")
        if self.ema is not None and not 0 < self.ema < 1:
            raise UsageError(f"ema lies between 0 and 1, not {self.ema}")
        for count in (self.micro_batch, self.save_every):
            if count is not None and count < 1:
                raise UsageError("micro_batch and save_every must be at least 1")
