"""Golden cases of the score map: how windows lie, what is plain, the map's cells, and whole maps.

    python runtimes/golden/explain.py            # write explain.json
    python runtimes/golden/explain.py --check    # change nothing; exit 1 where it differs

Whole maps are made of golden photos with a model that any language can stand in for;
docs/explain.md has the rule.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from best import pattern
from numpy.typing import NDArray

from ralikit.errors import UsageError
from ralikit.explain import Explanation, Window, explain, fill_view, is_plain
from ralikit.explain.windows import cell_means, lay_grid
from ralikit.files import read_json, to_json, write_text
from ralikit.model.bundle import Scale
from ralikit.model.reasons import BANK, ReasonInfo
from ralikit.photo.views import Preprocess
from ralikit.scorer import Score, Scorer

ROOT = Path(__file__).parent
OUT = ROOT / "explain.json"
GRIDS = (
    (512, 512, 96),
    (512, 341, 96),
    (96, 96, 96),
    (40, 900, 96),
    (1, 1, 12),
    (5000, 512, 96),
    (9000, 512, 96),
    (90000, 512, 96),
)
"""Pictures and windows: half an edge apart, further apart, one alone, cut short, too many."""
PLAINS = (
    (96, 0, 90),
    (96, 3, 90),
    (96, 40, 90),
    (96, 200, 0),
    (7, 3, 90),
    (7, 90, 0),
    (25, 30, 60),
)
"""Edge of a window, strength of its pattern (of 255) and the level added to it."""

Array = NDArray[np.uint8]


def faint(edge: int, strength: int, level: int) -> Array:
    """Pixels (edge, edge, 3) that any language can make: the pattern, weakened, on a level."""
    weak = pattern(edge, edge).astype(np.int64) * strength // 255 + level
    made: Array = np.minimum(weak, 255).astype(np.uint8)
    return made


class Standin:
    """A scorer whose score is a view's brightness; its reasons are how dark and how red it is."""

    name = "stand-in"
    scale = Scale(minimum=1.0, maximum=5.0, meaning="brightness")

    def __init__(self, preprocess: Preprocess, tie_width: float | None) -> None:
        self.preprocess, self.tie_width = preprocess, tie_width
        self.reasons: tuple[ReasonInfo, ...] = tuple(entry.info for entry in BANK[3:5])

    def score(self, photo: object) -> Score:
        """What a map says beside itself; no case looks at it."""
        return cast(Score, None)

    def score_view(self, view: Array) -> tuple[float, list[float]]:
        """Sums are whole numbers, so that every language divides the same ones."""
        total, red = int(view.sum(dtype=np.int64)), int(view[..., 0].sum(dtype=np.int64))
        mean = total / view.size
        return 1.0 + 4.0 * mean / 255.0, [1.0 - mean / 255.0, red / (view.size // 3) / 255.0]


def grid_case(width: int, height: int, edge: int) -> dict[str, Any]:
    """How windows lie over a picture; null where they are too many."""
    case: dict[str, Any] = {"width": width, "height": height, "edge": edge}
    try:
        grid = lay_grid(width, height, edge=edge)
    except UsageError:
        return case | {"grid": None}
    values = np.array([(7 * i) % 11 + i % 3 for i in range(len(grid.boxes))], dtype=np.float64)
    cell = max(1, edge // 4)
    means = cell_means(grid, values, (width, height), cell)
    laid = {"edge": grid.edge, "lefts": list(grid.lefts), "tops": list(grid.tops)}
    few = {"rows": means.shape[0], "columns": means.shape[1], "first": means.ravel()[:40].tolist()}
    return case | {"grid": laid, "cell": cell, "means": few | {"sum": float(means.sum())}}


def window_of(window: Window) -> dict[str, Any]:
    """A window as JSON."""
    return {
        "box": [window.left, window.top, window.right, window.bottom],
        "value": window.value,
        "plain": window.plain,
        "reasons": [reason.id for reason in window.reasons],
    }


def map_case(
    photo: str, size: int, shortest: int | None, tie: float | None, edge: int | None
) -> dict[str, Any]:
    """A whole map of a golden photo."""
    preprocess = Preprocess(size=size, shortest_edge=shortest, resample="bicubic")
    scorer = cast(Scorer, Standin(preprocess, tie))
    found: Explanation = explain(scorer, ROOT / "images" / photo, edge=edge)
    return {
        "photo": photo,
        "size": size,
        "shortest_edge": shortest,
        "tie_width": tie,
        "edge": edge,
        "windows": [window_of(window) for window in found.windows],
        "worst": found.windows.index(found.worst),
        "stands_out": found.stands_out,
        "median": found.median,
        "rows": found.cells.shape[0],
        "columns": found.cells.shape[1],
        "cells": found.cells.ravel().tolist(),
        "plain": found.plain.ravel().tolist(),
        "span": list(found.span),
    }


def golden() -> dict[str, Any]:
    """The whole of `explain.json`."""
    return {
        "schema": 1,
        "grids": [grid_case(*grid) for grid in GRIDS],
        "plain": [
            {"edge": e, "strength": s, "level": v, "plain": is_plain(faint(e, s, v))}
            for e, s, v in PLAINS
        ],
        "filled": [
            {
                "edge": n,
                "size": size,
                "sha256": sha256(fill_view(pattern(n, n), size).tobytes()).hexdigest(),
            }
            for n, size in ((12, 32), (32, 32), (5, 32), (1, 7))
        ],
        "maps": [
            map_case("alpha.png", 32, 48, 0.2, 16),
            map_case("large.png", 32, None, None, 12),
            map_case("gray.png", 32, None, 0.0, 12),
            map_case("pixel.png", 32, 32, 0.0, None),
            map_case("turned.png", 32, 40, 0.7, 32),
        ],
    }


def main() -> int:
    """Write the file, or compare it."""
    made = to_json(golden())
    if "--check" in sys.argv[1:]:
        same = to_json(read_json(OUT)) == made
        print(
            "explain.json holds" if same else "explain.json differs: run runtimes/golden/explain.py"
        )
        return 0 if same else 1
    write_text(OUT, made)
    print(f"wrote {OUT}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
