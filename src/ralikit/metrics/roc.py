"""How well a number tells two groups apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def area(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float | None:
    """Area under the ROC curve: how often a positive lies above a negative, ties half.

    Args:
        positive: Values of those that have what is looked for, (n,).
        negative: Of those that have not, (m,).

    Returns:
        0.5 is chance, 1 tells all apart; None where one group is empty.
    """
    if not len(positive) or not len(negative):
        return None
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    upto = np.searchsorted(ordered, positive, side="right")
    return float((below + upto).mean() / (2 * len(negative)))
