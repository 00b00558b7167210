"""What tells photos of one scene from others: 8 x 8 colours, and how alike two of them are.

A scorer's embedding cannot do this: it is trained to hold how good a photo is, not what is on it
(docs/decisions/best-shot.md has the figures).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CELLS = 8
"""Cells along each side."""
_SAMPLES = 256
"""Rows or columns that are looked at along the shorter side; more change nothing that counts."""


def fingerprint(pixels: NDArray[np.uint8]) -> bytes:
    """The mean colour of 8 x 8 cells, in whole numbers: the same in every language.

    Args:
        pixels: The upright photo, (H, W, 3) RGB.

    Returns:
        192 bytes: cells from left to right, rows from the top, R G B each.
    """
    height, width = pixels.shape[:2]
    step = max(1, min(width, height) // _SAMPLES)
    rows, row_starts = _sampled(height, step)
    columns, column_starts = _sampled(width, step)
    taken = pixels[rows][:, columns].astype(np.int64)
    sums = np.add.reduceat(np.add.reduceat(taken, row_starts, axis=0), column_starts, axis=1)
    heights, widths = _lengths(row_starts, len(rows)), _lengths(column_starts, len(columns))
    counts = (heights[:, None] * widths[None])[..., None]
    means: NDArray[np.int64] = (2 * sums + counts) // (2 * counts)
    return means.astype(np.uint8).tobytes()


def likeness(one: bytes, other: bytes) -> float:
    """Correlation of two fingerprints, -1 to 1.

    Where either is one colour only, correlation is not defined: 1 if both are equal, else 0.
    """
    if one == other:
        return 1.0
    a = np.frombuffer(one, dtype=np.uint8).astype(np.int64)
    b = np.frombuffer(other, dtype=np.uint8).astype(np.int64)
    spread_a = len(a) * int(a @ a) - int(a.sum()) ** 2
    spread_b = len(b) * int(b @ b) - int(b.sum()) ** 2
    if spread_a == 0 or spread_b == 0:
        return 0.0
    shared = len(a) * int(a @ b) - int(a.sum()) * int(b.sum())
    return shared / (math.sqrt(spread_a) * math.sqrt(spread_b))


def _sampled(length: int, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which rows (or columns) are looked at, and where in that list each cell begins."""
    cells = []
    for cell in range(CELLS):
        start = cell * length // CELLS
        stop = max(start + 1, (cell + 1) * length // CELLS)
        cells.append(np.arange(start, stop, step))
    starts = np.cumsum([0, *(len(cell) for cell in cells[:-1])])
    return np.concatenate(cells), starts


def _lengths(starts: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    return np.diff(np.append(starts, total))
