"""Where a photo is bad: the scores of windows slid over it, and the worst region in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ralikit.errors import PhotoError, UsageError
from ralikit.explain.windows import MOST, Box, Grid, cell_means, lay_grid
from ralikit.model.reasons import Reason, named_reasons
from ralikit.photo.decode import PhotoLike
from ralikit.photo.views import Preprocess, decode_photo, resize_photo
from ralikit.progress import counter
from ralikit.scorer import Score, Scorer

__all__ = ["MOST", "PLAIN", "Explanation", "Window", "explain"]

PLAIN = 6.0
"""A window is plain where its brightness differs by less than this, 8-bit levels, once reduced to
12 x 12: sky or wall, where there is no detail to lose. Chosen on 13 photos (docs/explain.md)."""
_REDUCED = 12
_CELLS = 4
"""Cells of the map along one edge of a window."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A square of a photo, scored as if the whole photo looked like it.

    Attributes:
        left: Where it lies in the upright photo, pixels; so too `top`, `right`, `bottom`.
        top: Upper edge.
        right: Right edge, exclusive.
        bottom: Lower edge, exclusive.
        value: Its score, on the model's scale.
        plain: Nothing is in it that could be spoilt (`PLAIN`); models score that low all the same.
        reasons: Why it is low: those of 0.5 and more, the highest first; none without a bank.
        reason_values: Every reason's value by its id, 0..1; empty without a bank.
    """

    left: float
    top: float
    right: float
    bottom: float
    value: float
    plain: bool = False
    reasons: tuple[Reason, ...] = ()
    reason_values: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Where a photo is bad.

    Attributes:
        model: The model's name.
        score: The photo's score as a whole, as `Scorer.score` gives it.
        windows: All that were scored, left to right and top to bottom.
        worst: The one that scores lowest among those that are not plain; among all where all are.
        stands_out: Whether it lies further below the median window than the model's tie width (or
            is lower at all, where that was not measured). Tie widths are measured on whole photos.
        median: The median score of those among which the worst was looked for.
        cells: The map over the whole photo, (rows, columns): at each place the scores of the
            windows over it, weighted by how near their centres are.
        plain: The share of plain windows there, 0..1, in the same places.
        span: The scores at the two ends of the picture's scale, low and high.
        pixels: The photo as large as the windows were cut from.
    """

    model: str
    score: Score
    windows: tuple[Window, ...]
    worst: Window
    stands_out: bool
    median: float
    cells: NDArray[np.float64]
    plain: NDArray[np.float64]
    span: tuple[float, float]
    pixels: Image.Image


def explain(scorer: Scorer, photo: PhotoLike, *, edge: int | None = None) -> Explanation:
    """Say where a photo is bad, by the scores of windows slid over it.

    The photo is resized as the model's preprocessing does (a model that squashes photos to a square
    sees it unsquashed, its shorter edge as long as that square). Windows lie half their edge apart
    and are mirrored to fill a view, so that their pixels stay as sharp as they are: `MOST` of them
    at most; over very long photos they lie further apart. `ralikit.progress.telling` hears how far
    it is.

    Args:
        scorer: From `ralikit.load`.
        photo: A path, a file's bytes, a PIL image, or an array.
        edge: Of a window, pixels of the resized photo, up to a view's size; None: 3/8 of that,
            which finds faults that a whole view hides among what is good in it (docs/explain.md).

    Raises:
        UsageError: If the edge is not within 1 and a view's size.
        PhotoError: If the photo cannot be read, or is too long for the bound on windows.
        BundleError: If the model fails.
    """
    preprocess = _unsquashed(scorer.preprocess)
    size = preprocess.size
    edge = max(1, size * 3 // 8) if edge is None else edge
    if not 1 <= edge <= size:
        raise UsageError(f"edge must lie within 1 and the view's {size} pixels, not {edge}")
    opened = decode_photo(photo, preprocess)
    width, height = preprocess.resized(opened.width, opened.height)
    try:
        grid = lay_grid(width, height, edge=edge)
    except UsageError as error:
        raise PhotoError(f"{opened.source}: {error}") from error
    pixels = resize_photo(opened, preprocess)
    scale = opened.width / width, opened.height / height
    del opened  # of a large photo, 0.2 GB
    score = scorer.score(photo)
    windows = _score_windows(scorer, np.asarray(pixels), grid, scale)
    values = np.array([window.value for window in windows])
    flags = np.array([float(window.plain) for window in windows])
    place = (width, height), math.ceil(edge / _CELLS)
    judged = [window for window in windows if not window.plain] or windows
    worst = min(judged, key=lambda window: window.value)
    median = float(np.median([window.value for window in judged]))
    cells, plain = cell_means(grid, values, *place), cell_means(grid, flags, *place)
    return Explanation(
        model=scorer.name,
        score=score,
        windows=tuple(windows),
        worst=worst,
        stands_out=median - worst.value > (scorer.tie_width or 0.0),
        median=median,
        cells=cells,
        plain=plain,
        span=_span(cells if plain.min() > 0.5 else cells[plain <= 0.5], scorer),
        pixels=pixels,
    )


def _unsquashed(preprocess: Preprocess) -> Preprocess:
    if preprocess.shortest_edge is not None:
        return preprocess
    return replace(preprocess, shortest_edge=preprocess.size)


def _score_windows(
    scorer: Scorer, pixels: NDArray[np.uint8], grid: Grid, scale: tuple[float, float]
) -> list[Window]:
    count = counter(f"{len(grid.boxes)} windows", len(grid.boxes))
    found = []
    for box in grid.boxes:
        found.append(_score_window(scorer, pixels, box, scale))
        count()
    return found


def _score_window(
    scorer: Scorer, pixels: NDArray[np.uint8], box: Box, scale: tuple[float, float]
) -> Window:
    left, top, right, bottom = box
    window = pixels[top:bottom, left:right]
    value, reasons = scorer.score_view(fill_view(window, scorer.preprocess.size))
    infos = scorer.reasons
    return Window(
        left=left * scale[0],
        top=top * scale[1],
        right=right * scale[0],
        bottom=bottom * scale[1],
        value=value,
        plain=is_plain(window),
        reasons=named_reasons(reasons, infos),
        reason_values={info.id: v for info, v in zip(infos, reasons, strict=True)},
    )


def is_plain(window: NDArray[np.uint8]) -> bool:
    """Whether a square of (n, n, 3) levels has nothing in it that blur could take away."""
    edge = min(_REDUCED, window.shape[0])
    grey = Image.fromarray(window).convert("L").resize((edge, edge), Image.Resampling.BOX)
    return float(np.asarray(grey, dtype=np.float64).std()) < PLAIN


def fill_view(window: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A view of (size, size, 3) out of a square window, mirrored at its edges as often as needed.

    Enlarging would blur it, and the model would say so.
    """
    room = size - window.shape[0]
    return np.pad(window, ((0, room), (0, room), (0, 0)), mode="symmetric")


def _span(cells: NDArray[np.float64], scorer: Scorer) -> tuple[float, float]:
    """The range of cells, no less than two tie widths: what means nothing is not to look grave."""
    low, high = float(cells.min()), float(cells.max())
    scale = scorer.scale
    least = 2.0 * (scorer.tie_width or 0.05 * (scale.maximum - scale.minimum))
    missing = max(0.0, least - (high - low))
    return low - missing / 2, high + missing / 2
