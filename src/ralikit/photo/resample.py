"""Pillow's antialiased resize in plain integers, able to make only a window of the output.

The arithmetic, for one axis of `size` input pixels, an input span [start, stop) (0 and `size`
unless a reduced decode left a partial pixel) and `out` output pixels, all in IEEE-754 doubles:

- ``scale = (stop - start) / out``; ``stretch = max(scale, 1)``;
  ``support = S * stretch`` with S = 1 bilinear, 2 bicubic, 3 lanczos.
- Output pixel i: ``center = start + (i + 0.5) * scale``;
  ``first = max(int(center - support + 0.5), 0)``, ``last = min(int(center + support + 0.5), size)``
  (int cuts towards zero); taps k = 0 .. last - first - 1 with
  ``w[k] = filter((k + first - center + 0.5) * (1 / stretch))``: the reciprocal is taken first. The
  sum of the w, added in order of k, divides each of them.
- Filters of x, with x = abs(x): bilinear ``1 - x`` below 1, else 0. Bicubic (a = -0.5):
  ``((a + 2) * x - (a + 3)) * x * x + 1`` below 1, ``(((x - 5) * x + 8) * x - 4) * a`` below 2,
  else 0. Lanczos: ``sinc(x) * sinc(x / 3)`` below 3, else 0; ``sinc(t) = sin(pi t) / (pi t)``.
- Fixed point, 22 bits (32 - 8 - 2): ``c[k] = int(w[k] * 4194304 + 0.5)`` for w >= 0, else
  ``int(w[k] * 4194304 - 0.5)``.
- A pixel: ``(2097152 + sum of input[first + k] * c[k]) >> 22`` (arithmetic shift, 32-bit integers),
  clipped to 0..255.

First every row is resized horizontally, to 8-bit values; then every column of that vertically. An
axis whose size does not change and whose span is whole is left as it is.

Pillow did both passes in this order up to 12.1; since then it takes the vertical one first for some
tall photos (which ones depends on its version; up to 17 levels apart on noise). The scorer's order
is always horizontal, then vertical: `resize_image` asks Pillow for one pass at a time, whose bytes
are the same in every version.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from ralikit.photo.views import Filter

Pixels = NDArray[np.uint8]
Region = Callable[[int, int, int, int], Pixels]

_BITS = 22
_SUPPORT: dict[Filter, float] = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


@dataclass(frozen=True, eq=False)
class Taps:
    """Which input pixels make each of n output pixels, and how much of each.

    Attributes:
        first: First input pixel, (n,).
        weights: Fixed-point weights, 22 bits, zero beyond the last tap, (n, K).
        counts: Number of taps, (n,).
    """

    first: NDArray[np.int64]
    weights: NDArray[np.int32]
    counts: NDArray[np.int64]

    @property
    def begin(self) -> int:
        """First input pixel that is needed at all."""
        return int(self.first.min())

    @property
    def end(self) -> int:
        """One past the last input pixel that is needed."""
        return int((self.first + self.counts).max())


def taps(
    size: int,
    out: int,
    *,
    resample: Filter,
    window: tuple[int, int] | None = None,
    span: tuple[float, float] | None = None,
) -> Taps:
    """Weights of one axis.

    Args:
        size: Input pixels.
        out: Output pixels of the whole resize.
        resample: The filter.
        window: Output pixels wanted, [from, to); None: all.
        span: Stretch of the input that the output covers; None: all.
    """
    start, stop = span or (0.0, float(size))
    low, high = window or (0, out)
    scale = (stop - start) / out
    stretch = max(scale, 1.0)
    support = _SUPPORT[resample] * stretch
    inverse = 1.0 / stretch
    rows, firsts = [], []
    for i in range(low, high):
        center = start + (i + 0.5) * scale
        first = max(int(center - support + 0.5), 0)
        last = min(int(center + support + 0.5), size)
        row = [_filter((k + first - center + 0.5) * inverse, resample) for k in range(last - first)]
        total = sum_in_order(row)
        firsts.append(first)
        rows.append([_fixed(w / total if total != 0.0 else w) for w in row])
    weights = np.zeros((len(rows), max(map(len, rows))), dtype=np.int32)
    for i, fixed in enumerate(rows):
        weights[i, : len(fixed)] = fixed
    return Taps(np.array(firsts), weights, np.array([len(row) for row in rows]))


def resize_window(
    region: Region,
    size: tuple[int, int],
    resized: tuple[int, int],
    window: tuple[int, int, int, int],
    *,
    resample: Filter,
    span: tuple[float, float, float, float] | None = None,
) -> Pixels:
    """Make a window of a resized photo, reading only the pixels it depends on.

    Args:
        region: Gives pixels (left, top, right, bottom) of the photo as (h, w, 3) uint8.
        size: Width and height of the photo.
        resized: Width and height of the whole resized photo.
        window: Left, top, right, bottom of what is wanted of it.
        resample: The filter.
        span: Left, top, right, bottom of the part of the photo that is resized; None: all.

    Returns:
        The window, (bottom - top, right - left, 3): the bytes of
        ``resize_image(image, resized, span=span).crop(window)``.
    """
    (width, height), (left, top, right, bottom) = size, window
    x_span = (span[0], span[2]) if span else None
    y_span = (span[1], span[3]) if span else None
    across = taps(width, resized[0], resample=resample, window=(left, right), span=x_span)
    down = taps(height, resized[1], resample=resample, window=(top, bottom), span=y_span)
    pixels = region(across.begin, down.begin, across.end, down.end)
    narrow = _convolve(pixels, across, axis=1)
    return _convolve(narrow, down, axis=0)


def resize_image(
    image: Image.Image,
    resized: tuple[int, int],
    *,
    resample: Filter,
    span: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Resize a whole photo through Pillow, horizontally and then vertically.

    Args:
        image: An ``"RGB"`` image.
        resized: Width and height of the result.
        resample: The filter.
        span: Left, top, right, bottom of the part of the photo that is resized; None: all.
    """
    width, height = image.size
    left, top, right, bottom = span or (0.0, 0.0, width, height)
    narrow = resize_across(image, resized[0], resample, (left, right))
    return resize_down(narrow, resized[1], resample, (top, bottom))


def resize_across(
    image: Image.Image, width: int, resample: Filter, span: tuple[float, float]
) -> Image.Image:
    """Pillow's horizontal pass alone: the columns in `span` become `width` columns."""
    method = Image.Resampling[resample.upper()]
    return image.resize((width, image.height), method, box=(span[0], 0, span[1], image.height))


def resize_down(
    image: Image.Image, height: int, resample: Filter, span: tuple[float, float]
) -> Image.Image:
    """Pillow's vertical pass alone: the rows in `span` become `height` rows."""
    method = Image.Resampling[resample.upper()]
    return image.resize((image.width, height), method, box=(0, span[0], image.width, span[1]))


def sum_in_order(values: list[float]) -> float:
    """Plain left-to-right sum: `sum` compensates for rounding from Python 3.12 on."""
    total = 0.0
    for value in values:
        total += value
    return total


def _convolve(pixels: Pixels, axis_taps: Taps, *, axis: int) -> Pixels:
    """Apply taps along one axis; `pixels` starts at ``axis_taps.begin``."""
    first = axis_taps.first - axis_taps.begin
    shape = list(pixels.shape)
    limit = shape[axis] - 1
    shape[axis] = len(first)
    total = np.full(shape, 1 << (_BITS - 1), dtype=np.int32)
    along = (1, -1, 1) if axis == 1 else (-1, 1, 1)
    for k in range(axis_taps.weights.shape[1]):
        # Beyond an output pixel's last tap the weight is zero, whatever pixel is taken.
        part = pixels.take(np.minimum(first + k, limit), axis=axis)
        total += part * axis_taps.weights[:, k].reshape(along)
    return np.clip(total >> _BITS, 0, 255).astype(np.uint8)


def _fixed(weight: float) -> int:
    scaled = weight * (1 << _BITS)
    return int(scaled - 0.5) if weight < 0 else int(scaled + 0.5)


def _filter(x: float, resample: Filter) -> float:
    x = abs(x)
    if resample == "bilinear":
        return 1.0 - x if x < 1.0 else 0.0
    if resample == "bicubic":
        a = -0.5
        if x < 1.0:
            return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a if x < 2.0 else 0.0
    return _sinc(x) * _sinc(x / 3.0) if x < 3.0 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0.0 else math.sin(x * math.pi) / (x * math.pi)
