"""How close two scores may be before the model no longer tells the photos apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import DataError

SHARE = 0.75
_BINS = 60


def tie_width(
    predicted: NDArray[np.floating], mos: NDArray[np.floating], *, share: float = SHARE
) -> float:
    """Smallest score gap from which on the model orders pairs as people do, in `share` of cases.

    All pairs of the photos are sorted by the gap of their predicted scores and cut into bins of
    equal count; the width is the middle gap of the first bin from which on every bin has at least
    `share` of its pairs in the order of their MOS (ties in MOS count half).

    Args:
        predicted: Scores of photos not trained on, (n,).
        mos: Their MOS on the same scale, (n,).
        share: 0.5 is chance, 0.75 the usual threshold of a just noticeable difference.

    Raises:
        DataError: If there are fewer than 30 photos, or no gap is wide enough.
    """
    if len(predicted) < 30:
        raise DataError(f"a tie's width needs at least 30 photos, not {len(predicted)}")
    first, second = np.triu_indices(len(predicted), 1)
    gap = predicted[first] - predicted[second]
    right = (np.sign(gap) * np.sign(mos[first] - mos[second]) + 1) / 2
    order = np.argsort(np.abs(gap), kind="stable")
    bins = np.array_split(order, min(_BINS, len(order)))
    shares = np.array([right[b].mean() for b in bins])
    short = np.flatnonzero(shares < share)
    start = 0 if not len(short) else int(short[-1]) + 1
    if start >= len(bins):
        raise DataError(f"no score gap orders {share:.0%} of the pairs as people do")
    return float(np.median(np.abs(gap[bins[start]])))
