"""Settings of the alignment stage, with what the paper states and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ralikit.config import to_mapping
from ralikit.errors import UsageError
from ralikit.train.rali.text_encoders import LongTexts
from ralikit.train.rali.tower_settings import TowerTraining

MACHINE = ("micro_batch", "gradient_checkpointing", "save_every", "validate_every", "tensorboard")
"""Settings of the alignment that change nothing of what comes out."""


@dataclass(frozen=True, kw_only=True)
class AlignSettings(TowerTraining):
    """How the image tower is aligned to its frozen text embeddings.

    Attributes:
        objective: ``clip``: CLIP's symmetric contrastive loss, the paper's. ``readout``: RALI's own
            scoring with a bank of training texts as its basis, plus soft contrast; for small
            towers and few photos. ``regression``: no texts at all, the tower gives the
            standardised score; the bar a small tower's alignment must clear.
        schedule: ``cosine`` to `final_rate`, or ``constant``.
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
        sets_weigh: How much each set's part of those losses counts. ``alike``: the same, so that a
            photo of a set with few in the batch weighs more; ``photos``: by its photos there.
        chains: Photos of a batch that also come in two degraded copies.
        faults: Copies have one of the eight faults of the bank of reasons (`ralikit.photo.faults`),
            instead of blur, noise, JPEG and darkness.
        reason_weight: Weight of the logistic loss that asks copies of known fault to lie on that
            reason's side of the line between its two texts, and good photos on the other of all.
        rank_weight: Weight of the ranking loss on them.
        margin: Score gap, in standard deviations, asked for a degradation of severity 1.
        projection_init: ``ridge`` starts the projection from a ridge regression of the mean text
            embedding on the untrained tower's features; ``keep`` leaves the tower's own.
        init_anchors: Views averaged for that regression; None: the preprocessing's.
        init_photos: Photos drawn for it; None: all that are trained on.
        centre_texts: Take the mean off the text embeddings (sentence encoders need it: their raw
            cosines lie near 0.9).
        long_texts: What becomes of texts longer than the encoder reads.
        validate_every: Steps between looks at the photos kept out, where there are any: SRCC and
            PLCC of the averaged tower, scores read off the training photos' texts (a regression's:
            its output), before any fit. None: once an epoch.
        tensorboard: Also write TensorBoard files (extra ``tensorboard``).
    """

    objective: Literal["clip", "readout", "regression"] = "clip"
    schedule: Literal["cosine", "constant"] = "cosine"
    temperature: float = 0.07
    learn_temperature: bool = False
    contrast_weight: float = 0.1
    mse_weight: float = 0.25
    text_temperature: float = 0.1
    sigma: float = 0.4
    bank_redraw: int = 10
    balance: float | None = None
    sets_weigh: Literal["alike", "photos"] = "alike"
    chains: int = 0
    faults: bool = False
    reason_weight: float = 0.0
    rank_weight: float = 0.5
    margin: float = 1.5
    projection_init: Literal["keep", "ridge"] = "keep"
    init_anchors: tuple[tuple[float, float], ...] | None = None
    init_photos: int | None = None
    centre_texts: bool = False
    long_texts: LongTexts = "refuse"
    validate_every: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        positive = {
            "temperature": self.temperature,
            "text_temperature": self.text_temperature,
            "sigma": self.sigma,
            "bank_redraw": self.bank_redraw,
        }
        for name, value in positive.items():
            if not value > 0:
                raise UsageError(f"{name} must be above 0, not {value}")
        if not 0 <= self.chains <= self.batch:
            raise UsageError(f"chains must lie in 0..batch, not {self.chains}")
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
        if self.validate_every is not None and self.validate_every < 1:
            raise UsageError("validate_every must be at least 1")


def align_mapping(settings: AlignSettings) -> dict[str, Any]:
    """The settings as plain values, for hashes: one that came later stands there only where set."""
    plain = to_mapping(settings)
    if not settings.learn_temperature:
        del plain["learn_temperature"]
    if settings.sets_weigh == "alike":
        del plain["sets_weigh"]
    del plain["validate_every"]  # changes nothing of what comes out
    return plain
