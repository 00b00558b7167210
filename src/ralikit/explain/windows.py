"""Which windows of a photo a score map looks at, and how they are laid out over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError

Box = tuple[int, int, int, int]

MOST = 400
"""Windows of one photo, at most: on two cores about half a minute of the bundled model."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Square windows over a picture, left to right and top to bottom.

    Attributes:
        edge: Of a window, pixels.
        lefts: Where the columns of windows begin, pixels.
        tops: Where the rows begin, pixels.
    """

    edge: int
    lefts: tuple[int, ...]
    tops: tuple[int, ...]

    @property
    def boxes(self) -> list[Box]:
        """Left, top, right, bottom of every window, pixels."""
        e = self.edge
        return [(x, y, x + e, y + e) for y in self.tops for x in self.lefts]


def lay_grid(width: int, height: int, *, edge: int, most: int = MOST) -> Grid:
    """Windows that reach every pixel, half an edge apart or, where those are too many, more.

    Args:
        width: Of the picture, pixels.
        height: The same.
        edge: Of a window, pixels; cut to the picture's shorter edge.
        most: Windows at most.

    Raises:
        UsageError: If windows side by side are too many already.
    """
    edge = min(edge, width, height)
    for quarters in (2, 3, 4):
        step = max(1, edge * quarters // 4)
        grid = Grid(edge=edge, lefts=_spread(width - edge, step), tops=_spread(height - edge, step))
        if len(grid.lefts) * len(grid.tops) <= most:
            return grid
    raise UsageError(
        f"it takes more than {most} windows side by side, too long for a map; cut it in pieces"
    )


def cell_means(
    grid: Grid, values: NDArray[np.float64], size: tuple[int, int], cell: int
) -> NDArray[np.float64]:
    """The mean of the windows that cover each cell, weighted by how near their centres are.

    Args:
        grid: The windows.
        values: One of each window, in the order of `Grid.boxes`.
        size: Width and height of the picture, pixels.
        cell: Edge of a cell, pixels.

    Returns:
        (rows, columns), the first cell at the top left; the last ones may reach over the edge.
    """
    across = _weights(grid.lefts, grid.edge, size[0], cell)  # (columns, windows)
    down = _weights(grid.tops, grid.edge, size[1], cell)
    table = values.reshape(len(grid.tops), len(grid.lefts))
    means: NDArray[np.float64] = down @ table @ across.T
    return means


def _weights(starts: Sequence[int], edge: int, extent: int, cell: int) -> NDArray[np.float64]:
    """Shares of each row or column of windows in each row or column of cells; they sum to 1."""
    count = math.ceil(extent / cell)
    centres = np.minimum((np.arange(count) + 0.5) * cell, extent - 0.5)[:, None]
    middles = np.array(starts)[None, :] + edge / 2
    # A tent: 1 at a window's centre, near 0 at its edge, 0 outside.
    near = np.maximum(1.0 - np.abs(centres - middles) / (edge / 2 + 0.5), 0.0)
    shares: NDArray[np.float64] = near / near.sum(axis=1, keepdims=True)
    return shares


def _spread(room: int, step: int) -> tuple[int, ...]:
    count = math.ceil(room / step) + 1
    return tuple(room * i // (count - 1) for i in range(count)) if count > 1 else (0,)
