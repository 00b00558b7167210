"""From a strength to an amount."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ralikit.photo.degrade import Pixels

Floats = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_EDGE = 512.0


def between(strength: float, low: float, high: float) -> float:
    """Geometric: equal steps of strength multiply the amount equally."""
    return float(low * (high / low) ** strength)


def grown(photo: Pixels, pixels: float) -> float:
    """Pixels at a shortest edge of 512, in this photo."""
    return pixels * float(min(photo.shape[:2])) / _EDGE
