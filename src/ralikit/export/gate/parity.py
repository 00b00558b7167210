"""Is the converted file still the model? Limits, figures, and the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import ParityError
from ralikit.metrics.agreement import srcc

FOLD = 1e-4
"""Largest difference between the folded graph and tower + read-out in float64, on 1-5."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a file may drift from the float32 reference; all on the bundle's scale.

    Attributes:
        max_drift: Largest difference on any photo, or None: it is only reported.
        p95_drift: 95th percentile of the differences, or None.
        srcc: Least rank correlation with the reference, or None.
        shift: Largest error of the embeddings, relative to their spread between photos, or None.
        golden: Largest difference on any golden photo, whenever `ralikit verify` asks.
    """

    max_drift: float | None = None
    p95_drift: float | None = None
    srcc: float | None = None
    shift: float | None = None
    golden: float

    def figures(self) -> dict[str, float]:
        """Those that are set. JSON-ready."""
        return {k: v for k, v in asdict(self).items() if v is not None}


# int8 rounds every activation: a photo now and then drifts further than the rest, so the limit is
# on the 95th percentile, and on the order of the photos.
LIMITS = {
    "fp32": Limits(max_drift=1e-4, golden=1e-4),
    "fp16": Limits(max_drift=0.01, golden=0.01),
    "int8-weights": Limits(max_drift=0.05, golden=0.05),
    "int8": Limits(p95_drift=0.05, srcc=0.995, golden=0.15),
}

# A stand-in's scores hang on a basis fitted to a hundred photos: they are only reported.
_ANY = 4.0
RANDOM_LIMITS = {
    "fp32": Limits(max_drift=1e-3, shift=1e-3, golden=1e-3),
    "fp16": Limits(max_drift=0.05, shift=0.03, golden=0.1),
    "int8-weights": Limits(shift=0.08, golden=_ANY),
    "int8": Limits(shift=0.1, golden=_ANY),
    "pal6": Limits(shift=0.15, golden=_ANY),
    "int4": Limits(shift=0.3, golden=_ANY),
}
"""How far a file of random weights may drift, by precision."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """A file's scores against the reference's.

    Attributes:
        photos: Number of photos compared.
        max_drift: Largest difference.
        p95_drift: 95th percentile of the differences.
        mean_drift: Their mean.
        srcc: Rank correlation with the reference; None where the reference does not vary.
        worst: Name of the photo with the largest difference.
        spread: Standard deviation of the reference scores: what the drift is to be read against.
        shift: Error of the embeddings over their spread between photos, both root mean squares;
            None where the file gives none.
    """

    photos: int
    max_drift: float
    p95_drift: float
    mean_drift: float
    srcc: float | None
    worst: str
    spread: float
    shift: float | None = None

    def problem(self, limits: Limits) -> str | None:
        """What is over a limit, in words, or None."""
        if limits.max_drift is not None and not self.max_drift <= limits.max_drift:
            return f"off by {self.max_drift:.6f} on {self.worst}, the limit is {limits.max_drift:g}"
        if limits.p95_drift is not None and not self.p95_drift <= limits.p95_drift:
            return (
                f"the 95th percentile of its drift is {self.p95_drift:.4f}, the limit is "
                f"{limits.p95_drift:g}; worst by {self.max_drift:.4f} on {self.worst}"
            )
        if limits.srcc is not None and self.srcc is not None and not self.srcc >= limits.srcc:
            return (
                f"it ranks the photos with SRCC {self.srcc:.5f} against the reference, the limit "
                f"is {limits.srcc:g}; worst by {self.max_drift:.4f} on {self.worst}"
            )
        if limits.shift is not None and self.shift is not None and not self.shift <= limits.shift:
            return (
                f"its embeddings are off by {self.shift:.4f} of their spread between photos, the "
                f"limit is {limits.shift:g}"
            )
        return None

    def figures(self) -> dict[str, Any]:
        """JSON-ready, rounded to what a float32 score can mean."""
        return {
            "photos": self.photos,
            "max_drift": round(self.max_drift, 7),
            "p95_drift": round(self.p95_drift, 7),
            "mean_drift": round(self.mean_drift, 7),
            "srcc": None if self.srcc is None else round(self.srcc, 6),
            "worst": self.worst,
            "spread": round(self.spread, 4),
            "shift": None if self.shift is None else round(self.shift, 5),
        }


def compare(
    names: Sequence[str], scores: NDArray[np.float64], reference: NDArray[np.float64]
) -> Parity:
    """Compare a file's scores with the reference's, photo by photo.

    Raises:
        ParityError: If a score is not finite; it names the photo.
    """
    for kind, values in (("the reference", reference), ("the converted file", scores)):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ParityError(f"{kind} gives {values[bad[0]]} on {names[bad[0]]}")
    drift = np.abs(scores - reference)
    varied = len(names) > 2 and np.ptp(reference) > 0 and np.ptp(scores) > 0
    return Parity(
        photos=len(names),
        max_drift=float(drift.max()),
        p95_drift=float(np.percentile(drift, 95)),
        mean_drift=float(drift.mean()),
        srcc=float(srcc(scores, reference)) if varied else None,
        worst=names[int(drift.argmax())],
        spread=float(reference.std()),
    )


def embedding_shift(found: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Error of embeddings over their spread between photos, both root mean squares.

    Args:
        found: The converted file's, (n, D).
        reference: The float32 pipeline's, (n, D).
    """
    error = np.square(found - reference).sum(axis=1).mean()
    spread = np.square(reference - reference.mean(axis=0)).sum(axis=1).mean()
    return float(np.sqrt(error / max(spread, 1e-30)))


def assert_parity(parity: Parity, limits: Limits, *, what: str) -> None:
    """Refuse a file over a limit.

    Raises:
        ParityError: Naming the worst photo and by how much.
    """
    problem = parity.problem(limits)
    if problem is not None:
        raise ParityError(f"{what}: {problem}")
