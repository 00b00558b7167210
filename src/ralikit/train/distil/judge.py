"""How far a small scorer agrees with its teacher, on photos that were kept out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.metrics.agreement import Estimate, agreement
from ralikit.model.reasons import NAMED
from ralikit.model.reasons_head import ReasonsHead
from ralikit.train.distil.teacher import Said

Floats = NDArray[np.floating]
_RESAMPLES = 1000
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class WithTeacher:
    """Agreement with the teacher over `photos`, each figure with its 95 % bootstrap interval.

    Attributes:
        photos: Number of photos.
        copies: Number of their degraded copies.
        srcc: Of the scores.
        plcc: Of the scores, as they are.
        error: Mean absolute difference of the scores, on the bundle's scale.
        cosine: Mean cosine of the embeddings.
        centred_cosine: The same with the teacher's mean over these photos taken off both: what
            tells photos apart.
        order: Of the pairs of a photo and its copies that the teacher tells apart, the share that
            the small scorer orders alike; None: there is none.
        told_apart: Number of those pairs.
        first_reason: Of the copies of which the teacher's bank names a reason, the share that get
            the same first one; None: no bank, or none named.
    """

    photos: int
    copies: int
    srcc: Estimate
    plcc: Estimate
    error: Estimate
    cosine: Estimate
    centred_cosine: Estimate
    order: Estimate | None
    told_apart: int
    first_reason: Estimate | None

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def judge(
    teacher: Said,
    student: Said,
    teacher_copies: Said,
    student_copies: Said,
    *,
    apart: float,
    bank: ReasonsHead | None = None,
) -> WithTeacher:
    """Hold a small scorer's words against the teacher's.

    Args:
        teacher: Of n photos.
        student: Of the same.
        teacher_copies: Of their weak and strong copies, (n, 2, D) and (n, 2).
        student_copies: Of the same.
        apart: Score difference from which on the teacher tells two photos apart: its tie width.
        bank: The reasons' read-out; None: there is none.
    """
    count = len(teacher.scores)
    scores = agreement(student.scores, teacher.scores, resamples=_RESAMPLES)
    mean = teacher.embeddings.mean(axis=0)
    kept, pairs = _order(
        np.column_stack([teacher.scores, teacher_copies.scores]),
        np.column_stack([student.scores, student_copies.scores]),
        apart,
    )
    reasons = None
    if bank is not None:
        reasons = _first_reasons(bank, teacher_copies.embeddings, student_copies.embeddings)
    return WithTeacher(
        photos=count,
        copies=teacher_copies.scores.size,
        srcc=scores.srcc,
        plcc=scores.plcc,
        error=scores.mae,
        cosine=_mean(_cosine(teacher.embeddings, student.embeddings)),
        centred_cosine=_mean(_cosine(teacher.embeddings - mean, student.embeddings - mean)),
        order=_ratio(kept, pairs),
        told_apart=int(pairs.sum()),
        first_reason=reasons,
    )


def _order(teacher: Floats, student: Floats, apart: float) -> tuple[Floats, Floats]:
    """Pairs of each photo's three that stand apart, and those of them ordered alike, (n,) each."""
    kept, pairs = np.zeros(len(teacher)), np.zeros(len(teacher))
    for first, second in ((0, 1), (1, 2), (0, 2)):
        gap = teacher[:, first] - teacher[:, second]
        own = student[:, first] - student[:, second]
        told = np.abs(gap) >= apart
        pairs += told
        kept += told & (np.sign(gap) == np.sign(own))
    return kept, pairs


def _first_reasons(bank: ReasonsHead, teacher: Floats, student: Floats) -> Estimate | None:
    theirs = bank.values(teacher)  # (n, 2, K)
    named = theirs.max(axis=-1) >= NAMED
    same = theirs.argmax(axis=-1) == bank.values(student).argmax(axis=-1)
    return _ratio((named & same).sum(axis=1), named.sum(axis=1))


def _cosine(first: Floats, second: Floats) -> Floats:
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    found: Floats = (first * second).sum(axis=-1) / np.maximum(norms, 1e-12)
    return found


def _mean(values: Floats) -> Estimate:
    return _interval(float(values.mean()), len(values), lambda rows: float(values[rows].mean()))


def _ratio(parts: Floats, of: Floats) -> Estimate | None:
    """Sum of parts over sum of wholes; whole photos are drawn, since one's pairs are not alone."""
    if not of.sum():
        return None

    def ratio(rows: NDArray[np.intp]) -> float:
        whole = float(of[rows].sum())
        return float(parts[rows].sum()) / whole if whole else float("nan")

    return _interval(float(parts.sum() / of.sum()), len(of), ratio)


def _interval(value: float, count: int, figure: Callable[[NDArray[np.intp]], float]) -> Estimate:
    rng = np.random.default_rng(0)
    drawn = [figure(rng.integers(0, count, count)) for _ in range(_RESAMPLES)]
    low, high = np.nanquantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value, float(low), float(high))
