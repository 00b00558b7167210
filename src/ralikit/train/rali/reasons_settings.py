"""Settings of the bank of reasons: the photos it is fitted on, and which route reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ralikit.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ReasonsSettings:
    """How a bank of reasons is fitted on a scorer's embedding.

    Attributes:
        route: ``"text"``: along the directions between the texts of both sides; ``"probe"``: fitted
            on embeddings; ``"best"``: whichever does better on the photos kept out, the texts where
            they are alike.
        good: Share of the photos, best MOS first, that count as good: faults are planted in these.
        photos: Good photos in which every rendering is planted once.
        clean: Further good photos, which are left as they are.
        pairs: Copies a photo with two faults at once.
        kept: Share of the photos kept out of fitting, to calibrate on and for the figures.
        hidden: ReLUs of the probe; 0: a linear probe.
        decay: Pull of the read-out's weights to zero.
        anchors: Views averaged for an embedding; None takes the preprocessing's.
        seed: Of photos, strengths and faults.
    """

    route: Literal["text", "probe", "best"] = "best"
    good: float = 0.3
    photos: int = 150
    clean: int = 450
    pairs: int = 2
    kept: float = 0.3
    hidden: int = 32
    decay: float = 1e-2
    anchors: tuple[tuple[float, float], ...] | None = ((0.5, 0.5), (0.0, 0.0))
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.good <= 1 or not 0 < self.kept <= 0.5:
            raise UsageError("good lies in 0..1 and kept in 0..0.5, neither of them 0")
        if self.photos < 4 or self.clean < 0 or self.pairs < 0 or self.hidden < 0:
            raise UsageError("photos is at least 4; clean, pairs and hidden are at least 0")
        if not self.decay >= 0:
            raise UsageError(f"decay must not be negative, not {self.decay}")
