"""Is the converted file still the model? Figures, and the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import ParityError
from ralikit.export.gate.limits import Limits
from ralikit.metrics.agreement import srcc
from ralikit.model.reasons import NAMED

FOLD = 1e-4
"""Largest difference between the folded graph and tower + read-out in float64, on 1-5."""
FOLD_REASONS = 1e-3
"""The same of reasons, each 0 to 1: a logistic of a steep read-out magnifies rounding."""


@dataclass(frozen=True, kw_only=True)
class ReasonsParity:
    """A file's reasons against the reference's.

    Attributes:
        max_drift: Largest difference of any reason on any photo.
        p95_drift: 95th percentile, over the photos, of the largest difference on each.
        worst: Name of the photo with the largest.
        first: Share of the photos on which the first reason named, or that none is, is the same.
    """

    max_drift: float
    p95_drift: float
    worst: str
    first: float

    def problem(self, limits: Limits) -> str | None:
        """What is over a limit, in words, or None."""
        if limits.reasons is not None and not self.p95_drift <= limits.reasons:
            return (
                f"the 95th percentile of its reasons' drift is {self.p95_drift:.4f}, the limit is "
                f"{limits.reasons:g}; worst by {self.max_drift:.4f} on {self.worst}"
            )
        if limits.first_reason is not None and not self.first >= limits.first_reason:
            return (
                f"it names the reference's first reason on {self.first:.1%} of the photos, the "
                f"limit is {limits.first_reason:.0%}"
            )
        return None

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "max_drift": round(self.max_drift, 6),
            "p95_drift": round(self.p95_drift, 6),
            "worst": self.worst,
            "first": round(self.first, 4),
        }


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
        reasons: How its reasons compare; None where the file gives none.
    """

    photos: int
    max_drift: float
    p95_drift: float
    mean_drift: float
    srcc: float | None
    worst: str
    spread: float
    shift: float | None = None
    reasons: ReasonsParity | None = None

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
        return None if self.reasons is None else self.reasons.problem(limits)

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
            **({} if self.reasons is None else {"reasons": self.reasons.figures()}),
        }


def parity_of(
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


def reasons_parity(
    names: Sequence[str], found: NDArray[np.floating], reference: NDArray[np.floating]
) -> ReasonsParity:
    """Compare a file's reasons with the reference's.

    Args:
        names: The photos', n of them.
        found: The file's, (n, K).
        reference: The float32 pipeline's, (n, K).

    Raises:
        ParityError: If one of the file's is no number from 0 to 1, or there are more or fewer.
    """
    if found.shape != reference.shape:
        raise ParityError(
            f"the converted file gives {found.shape[-1]} reasons, not {reference.shape[-1]}"
        )
    bad = np.flatnonzero(~((found >= 0) & (found <= 1)).all(axis=1))
    if bad.size:
        raise ParityError(
            f"the converted file gives reasons {found[bad[0]]} on {names[bad[0]]}; each is 0 to 1"
        )
    drift = np.abs(found - reference).max(axis=1)
    same = first_named(found) == first_named(reference)
    return ReasonsParity(
        max_drift=float(drift.max()),
        p95_drift=float(np.percentile(drift, 95)),
        worst=names[int(drift.argmax())],
        first=float(same.mean()),
    )


def first_named(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Number of the reason that is named first on each photo, (n, K) -> (n,); -1: none is."""
    first = values.argmax(axis=1)
    return np.where(values.max(axis=1) >= NAMED, first, -1).astype(np.int64)


def assert_parity(parity: Parity, limits: Limits, *, what: str) -> None:
    """Refuse a file over a limit.

    Raises:
        ParityError: Naming the worst photo and by how much.
    """
    problem = parity.problem(limits)
    if problem is not None:
        raise ParityError(f"{what}: {problem}")
