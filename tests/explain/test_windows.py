"""Where windows lie, and what the map makes of their scores."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import UsageError
from ralikit.explain.windows import MOST, Grid, cell_means, lay_grid


@pytest.mark.parametrize(
    ("width", "height", "edge"),
    [(512, 512, 128), (768, 512, 128), (513, 777, 96), (64, 900, 128), (1, 1, 4), (5, 7, 1)],
)
def test_windows_reach_every_pixel_and_lie_inside(width: int, height: int, edge: int) -> None:
    grid = lay_grid(width, height, edge=edge)
    reached = np.zeros((height, width), dtype=bool)
    for left, top, right, bottom in grid.boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left == bottom - top == min(edge, width, height)
        reached[top:bottom, left:right] = True
    assert reached.all()


def test_neighbours_overlap_by_half() -> None:
    grid = lay_grid(512, 512, edge=128)
    assert grid.lefts == grid.tops == (0, 64, 128, 192, 256, 320, 384)


def test_of_long_pictures_windows_lie_further_apart_and_stay_few() -> None:
    long = lay_grid(9000, 512, edge=128)
    assert len(long.boxes) <= MOST
    assert max(np.diff(long.lefts)) > 64
    assert max(np.diff(long.lefts)) <= 128
    with pytest.raises(UsageError, match=f"more than {MOST} windows"):
        lay_grid(20_000, 512, edge=128)


def test_a_map_of_equal_scores_is_even() -> None:
    grid = lay_grid(300, 200, edge=64)
    cells = cell_means(grid, np.full(len(grid.boxes), 2.5), (300, 200), 16)
    assert cells.shape == (13, 19)
    np.testing.assert_allclose(cells, 2.5)


def test_cells_weigh_windows_by_how_near_they_are() -> None:
    # Windows 0..4 and 2..6 of edge 4 with scores 0 and 1; cells of one pixel.
    grid = Grid(edge=4, lefts=(0, 2), tops=(0,))
    cells = cell_means(grid, np.array([0.0, 1.0]), (6, 4), 1)[0]
    # Tents of half-width 2.5 about 2 and 4; the pixel at 2.5 is 0.5 from the one, 1.5 from the
    # other: weights 0.8 and 0.4.
    assert cells[2] == pytest.approx(0.4 / 1.2)
    assert cells[3] == pytest.approx(0.8 / 1.2)
    assert (cells[0], cells[5]) == (0.0, 1.0)
    assert (np.diff(cells) >= 0).all()


def test_rows_and_columns_are_not_exchanged() -> None:
    grid = Grid(edge=2, lefts=(0, 2, 4), tops=(0, 2))
    values = np.array([0, 1, 2, 10, 11, 12], dtype=float)
    np.testing.assert_allclose(cell_means(grid, values, (6, 4), 2), values.reshape(2, 3))
