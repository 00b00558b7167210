"""How far a converted file may drift from the float32 reference."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a file may drift from the float32 reference; all on the bundle's scale.

    Attributes:
        max_drift: Largest difference on any photo, or None: it is only reported.
        p95_drift: 95th percentile of the differences, or None.
        srcc: Least rank correlation with the reference, or None.
        shift: Largest error of the embeddings, relative to their spread between photos, or None.
        golden: Largest difference on any golden photo, whenever `ralikit verify` asks.
        reasons: Largest 95th percentile, over the photos, of the drift of a photo's reasons, each 0
            to 1; None: it is only reported.
        first_reason: Least share of photos whose first named reason is the reference's, or None.
        golden_reasons: Largest drift of a reason on any golden photo; None: it is only reported.
    """

    max_drift: float | None = None
    p95_drift: float | None = None
    srcc: float | None = None
    shift: float | None = None
    golden: float
    reasons: float | None = None
    first_reason: float | None = None
    golden_reasons: float | None = None

    def figures(self) -> dict[str, float]:
        """Those that are set. JSON-ready."""
        return {k: v for k, v in asdict(self).items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """The limits of a precision.

    Attributes:
        trained: For weights that rate photos.
        random: For a stand-in's, whose scores hang on a basis fitted to a hundred photos and are
            only reported: what may not move is the embedding.
    """

    trained: Limits
    random: Limits


_ANY = 4.0
FIRST_REASON = 0.97
"""Least share of photos on which a file's first named reason is the float32 pipeline's."""
_WEIGHTS = Limits(
    max_drift=0.05, golden=0.05, reasons=0.1, first_reason=FIRST_REASON, golden_reasons=0.2
)

FP32 = Tolerance(
    trained=Limits(
        max_drift=1e-4, golden=1e-4, reasons=1e-3, first_reason=FIRST_REASON, golden_reasons=1e-3
    ),
    random=Limits(max_drift=1e-3, shift=1e-3, golden=1e-3),
)
FP16 = Tolerance(
    trained=Limits(
        max_drift=0.01, golden=0.01, reasons=0.03, first_reason=FIRST_REASON, golden_reasons=0.06
    ),
    random=Limits(max_drift=0.05, shift=0.03, golden=0.1),
)
INT8_WEIGHTS = Tolerance(trained=_WEIGHTS, random=Limits(shift=0.08, golden=_ANY))
INT8 = Tolerance(
    # int8 rounds every activation: a photo now and then drifts further than the rest, so the limit
    # is on the 95th percentile, and on the order of the photos.
    trained=Limits(
        p95_drift=0.05,
        srcc=0.995,
        golden=0.15,
        reasons=0.2,
        first_reason=FIRST_REASON,
        golden_reasons=0.4,
    ),
    random=Limits(shift=0.1, golden=_ANY),
)
INT8_STATIC = Tolerance(trained=INT8.trained, random=Limits(shift=0.2, golden=_ANY))
PALETTE = Tolerance(trained=_WEIGHTS, random=Limits(shift=0.15, golden=_ANY))
NARROW = Tolerance(trained=_WEIGHTS, random=Limits(shift=0.3, golden=_ANY))
"""Four bits a weight, and what has no limits of its own."""
