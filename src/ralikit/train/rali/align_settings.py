"""Settings of the alignment stage, with what the paper states and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ralikit.config import to_mapping
from ralikit.errors import UsageError
from ralikit.train.rali.augment import Crops
from ralikit.train.rali.text_encoders import LongTexts

MACHINE = ("micro_batch", "gradient_checkpointing", "save_every", "validate_every", "tensorboard")
"""Settings of the alignment that change nothing of what comes out."""


@dataclass(frozen=True, kw_only=True)
class AlignSettings:
    """How the image tower is aligned to its frozen text embeddings.

    Attributes:
        objective: ``clip``: CLIP's symmetric contrastive loss, the paper's. ``readout``: RALI's own
            scoring with a bank of training texts as its basis, plus soft contrast; for small
            towers and few photos. ``regression``: no texts at all, the tower gives the
            standardised score; the bar a small tower's alignment must clear.
        epochs: Passes over the photos; a fraction is allowed.
        batch: Photos of an optimiser step, over all processes.
        micro_batch: Photos in one forward pass of a process; None takes its whole share. The loss
            still sees the whole batch: embeddings are computed part by part, then their gradients
            are sent back part by part.
        learning_rate: Of AdamW (the paper: 1e-5).
        projection_rate: Factor on it for the projection to the text width.
        schedule: ``cosine`` to `final_rate`, or ``constant``.
        final_rate: Share of the learning rate left at the end of a cosine.
        warmup_steps: Steps of linear warm-up.
        weight_decay: Of AdamW.
        clip_norm: Gradient norm is cut to this.
        dropout: On the pooled features before the projection, where the tower has one.
        ema: Decay of the averaged weights that are kept in the end; None keeps the last ones.
        frozen: Names of parameters that stay, by prefix.
        temperature: Divides image-text cosines.
        learn_temperature: Train it too, from there, as CLIP does (its logit scale is at most 100);
            for ``clip``.
        contrast_weight: Weight of the soft contrast in ``readout``.
        mse_weight: Weight of the squared error beside 1 - PLCC in ``readout`` and ``regression``.
        text_temperature: Of the soft targets' text-text cosines.
        sigma: Score gap, in standard deviations, over which soft targets fall off.
        bank_redraw: Steps after which every photo of the bank shows another of its texts.
        balance: Share of a batch that each data set gets: in proportion to its number of photos to
            this power. 1: as many as it has; 0: the same from every set. The losses that compare
            photos with each other then compare within a set. None: photos as they come, compared
            with all others.
        chains: Photos of a batch that also come in two degraded copies.
        faults: Copies have one of the eight faults of the bank of reasons (`ralikit.photo.faults`),
            instead of blur, noise, JPEG and darkness.
        reason_weight: Weight of the logistic loss that asks copies of known fault to lie on that
            reason's side of the line between its two texts, and good photos on the other of all.
        rank_weight: Weight of the ranking loss on them.
        margin: Score gap, in standard deviations, asked for a degradation of severity 1.
        crops: Training views.
        projection_init: ``ridge`` starts the projection from a ridge regression of the mean text
            embedding on the untrained tower's features; ``keep`` leaves the tower's own.
        init_anchors: Views averaged for that regression; None: the preprocessing's.
        init_photos: Photos drawn for it; None: all that are trained on.
        centre_texts: Take the mean off the text embeddings (sentence encoders need it: their raw
            cosines lie near 0.9).
        long_texts: What becomes of texts longer than the encoder reads.
        autocast: Precision of the forward pass; weights stay float32.
        gradient_checkpointing: Compute activations anew in the backward pass, to save memory.
        save_every: Steps between checkpoints; None: once an epoch.
        validate_every: Steps between looks at the photos kept out, where there are any: SRCC and
            PLCC of the averaged tower, scores read off the training photos' texts (a regression's:
            its output), before any fit. None: once an epoch.
        tensorboard: Also write TensorBoard files (extra ``tensorboard``).
        seed: Of everything drawn.
    """

    objective: Literal["clip", "readout", "regression"] = "clip"
    epochs: float
    batch: int
    micro_batch: int | None = None
    learning_rate: float = 1e-5
    projection_rate: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    final_rate: float = 0.0
    warmup_steps: int = 50
    weight_decay: float = 1e-4
    clip_norm: float = 5.0
    dropout: float = 0.0
    ema: float | None = None
    frozen: tuple[str, ...] = ()
    temperature: float = 0.07
    learn_temperature: bool = False
    contrast_weight: float = 0.1
    mse_weight: float = 0.25
    text_temperature: float = 0.1
    sigma: float = 0.4
    bank_redraw: int = 10
    balance: float | None = None
    chains: int = 0
    faults: bool = False
    reason_weight: float = 0.0
    rank_weight: float = 0.5
    margin: float = 1.5
    crops: Crops = field(default_factory=Crops)
    projection_init: Literal["keep", "ridge"] = "keep"
    init_anchors: tuple[tuple[float, float], ...] | None = None
    init_photos: int | None = None
    centre_texts: bool = False
    long_texts: LongTexts = "refuse"
    autocast: Literal["off", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    save_every: int | None = None
    validate_every: int | None = None
    tensorboard: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        positive = {
            "epochs": self.epochs,
            "batch": self.batch,
            "learning_rate": self.learning_rate,
            "clip_norm": self.clip_norm,
            "temperature": self.temperature,
            "text_temperature": self.text_temperature,
            "sigma": self.sigma,
            "bank_redraw": self.bank_redraw,
        }
        for name, value in positive.items():
            if not value > 0:
                raise UsageError(f"{name} must be above 0, not {value}")
        if self.batch < 2:
            raise UsageError("batch must be at least 2: one photo has nothing to contrast with")
        if not 0 <= self.chains <= self.batch:
            raise UsageError(f"chains must lie in 0..batch, not {self.chains}")
        if not 0 <= self.dropout < 1 or not 0 <= self.final_rate <= 1:
            raise UsageError("dropout lies in 0..1 and final_rate in 0..1")
        if self.ema is not None and not 0 < self.ema < 1:
            raise UsageError(f"ema lies between 0 and 1, not {self.ema}")
        if self.balance is not None and not 0 <= self.balance <= 1:
            raise UsageError(f"balance lies in 0..1, not {self.balance}")
        if self.reason_weight and not (self.faults and self.chains and self.objective == "readout"):
            raise UsageError("reason_weight needs faults = true, chains and objective = readout")
        if self.chains and self.objective == "clip":
            raise UsageError("chains need a score in training: objective readout or regression")
        if self.learn_temperature and self.objective != "clip":
            raise UsageError(
                "learn_temperature is for objective clip; the others read scores by it"
            )
        counts = (self.micro_batch, self.save_every, self.validate_every)
        if any(count is not None and count < 1 for count in counts):
            raise UsageError("micro_batch, save_every and validate_every must be at least 1")


def align_mapping(settings: AlignSettings) -> dict[str, Any]:
    """The settings as plain values, for hashes: one that came later stands there only where set."""
    plain = to_mapping(settings)
    if not settings.learn_temperature:
        del plain["learn_temperature"]
    del plain["validate_every"]  # changes nothing of what comes out
    return plain
