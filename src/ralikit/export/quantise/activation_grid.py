"""The range of values a tensor takes on photos, and the 8-bit grid that loses least of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Where the ends of a range are tried, as shares of the largest deviation seen.
_SHRINK = np.linspace(1.0, 0.4, 31)
_SAMPLES = 1 << 18


@dataclass(frozen=True)
class ActivationGrid:
    """256 evenly spaced values: ``(q - zero) * step`` for q = 0 .. 255.

    Attributes:
        step: Distance between neighbours, > 0.
        zero: Which q stands for 0, in 0..255; 0 itself is always on the grid.
    """

    step: float
    zero: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"a grid's step must be above 0, not {self.step}")
        if not 0 <= self.zero <= 255:
            raise ValueError(f"a grid's zero must lie in 0..255, not {self.zero}")

    @property
    def low(self) -> float:
        """Smallest value on the grid."""
        return -self.zero * self.step

    @property
    def high(self) -> float:
        """Largest value on the grid."""
        return (255 - self.zero) * self.step


def grid_between(low: float, high: float) -> ActivationGrid:
    """The grid over a range, widened to hold 0 and shifted by less than a step to land on it.

    A tensor that never moves gets a step of 1e-6 instead of none.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    # float32, as the files store it: a grid in a file is exactly this grid.
    step = float(np.float32(max((high - low) / 255.0, 1e-6)))
    return ActivationGrid(step=step, zero=int(np.clip(round(-low / step), 0, 255)))


def best_grid(values: NDArray[np.float32]) -> ActivationGrid:
    """The grid with the least mean squared error on sampled values.

    Clipping the rare ends makes all steps smaller; both ends are drawn in together, then each one
    alone, and the best of the tried ranges is kept.

    Args:
        values: What the tensor held on calibration photos, any shape.
    """
    x = sample(values)
    low, high = float(x.min()), float(x.max())
    tried = [(low * s, high * s) for s in _SHRINK]
    if low < 0 < high:
        tried += [(low * s, high) for s in _SHRINK[1:]] + [(low, high * s) for s in _SHRINK[1:]]
    errors = [_squared_error(x, grid_between(*ends)) for ends in tried]
    return grid_between(*tried[int(np.argmin(errors))])


def sample(values: NDArray[np.float32], count: int = _SAMPLES) -> NDArray[np.float32]:
    """At most `count` values, evenly strided, with the extremes always among them."""
    flat = values.reshape(-1)
    # An odd stride, so that it does not keep landing in the same column of a map.
    stride = max(1, -(-flat.size // count)) | 1
    return np.concatenate([flat[::stride], [flat.min(), flat.max()]]).astype(np.float32)


def _squared_error(x: NDArray[np.float32], grid: ActivationGrid) -> float:
    q = np.clip(np.rint(x / np.float32(grid.step)) + grid.zero, 0, 255)
    return float(np.square((q - grid.zero) * np.float32(grid.step) - x, dtype=np.float32).mean())
