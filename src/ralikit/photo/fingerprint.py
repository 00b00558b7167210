"""What tells photos of one scene from others: 8 x 8 colours, and how alike two of them are.

A scorer's embedding cannot do this: it is trained to hold how good a photo is, not what is on it
(docs/decisions/best-shot.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ralikit.photo.opened import Photo

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
    return _fingerprint([(0, pixels)], width, height)


def photo_fingerprint(photo: Photo) -> bytes:
    """The fingerprint of an opened photo, a strip at a time; see `fingerprint`.

    Raises:
        PhotoError: If its pixels cannot be converted.
    """
    strips = ((top, np.asarray(strip)) for top, strip in photo.strips())
    return _fingerprint(strips, *photo.size)


def _fingerprint(strips: Iterable[tuple[int, NDArray[np.uint8]]], width: int, height: int) -> bytes:
    step = max(1, min(width, height) // _SAMPLES)
    rows, row_cells = _sampled(height, step)
    columns, column_cells = _sampled(width, step)
    starts = np.searchsorted(column_cells, np.arange(CELLS))
    sums = np.zeros((CELLS, CELLS, 3), dtype=np.int64)
    for top, strip in strips:
        inside = (rows >= top) & (rows < top + len(strip))
        taken = strip[rows[inside] - top][:, columns].astype(np.int64)
        np.add.at(sums, row_cells[inside], np.add.reduceat(taken, starts, axis=1))
    counts = np.outer(np.bincount(row_cells), np.bincount(column_cells))[..., None]
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
    """Which rows (or columns) are looked at, and the cell of each."""
    cells = []
    for cell in range(CELLS):
        start = cell * length // CELLS
        stop = max(start + 1, (cell + 1) * length // CELLS)
        cells.append(np.arange(start, stop, step))
    return np.concatenate(cells), np.repeat(np.arange(CELLS), [len(cell) for cell in cells])
