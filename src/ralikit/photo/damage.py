"""Signs that a file lost part of its picture although it still decodes.

Two are looked for. In packed pixel data (JPEG, WebP), a run of zero bytes that no encoder writes:
copies that broke off leave them. In the picture, one flat colour that fills everything from the
middle of a row to the end, with content right up to its border: what a decoder, or whoever saved
its result, made of missing data. A plain background has no straight border, and a frame has no
step and is at both ends; a fifth of the picture and more at one end counts without a step.
docs/reliability.md says how often undamaged photos are taken for damaged.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HOLE = (
    "a run of empty bytes stands in its pixel data, as in a damaged copy: part of the picture "
    "may be lost"
)
FLAT = (
    "one flat colour fills the rest of the picture from a point on, as in a damaged copy: part of "
    "it may be lost"
)

RUN = 512
"""Zero bytes in a row that count as a hole."""

_STEPS = frozenset({1, 7, 8, 9, 15, 16, 17})
"""Heights of the step where a row breaks off: one row of pixels, or of blocks, give or take one."""

_NEAR = 2  # levels within which a colour is flat: lossy coders ripple
_LEAST = 1 / 20  # of the picture's height
_LARGE = 1 / 5  # of it: what counts even where it begins with a row
_MARGIN = 2  # columns either side of a step
_STRAIGHT = 0.75  # share of columns that end at their side's border
_BAND = 64  # rows looked at at a time


def webp_hole(data: bytes) -> bool:
    """Whether the pixel data of a WebP file holds a run of zero bytes."""
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if (
            kind in (b"VP8 ", b"VP8L", b"ALPH")
            and data.find(bytes(RUN), at + 8, at + 8 + size) >= 0
        ):
            return True
        if kind == b"ANMF":
            size = 16  # what follows are blocks of the first picture
        at += 8 + size + size % 2
    return False


def breaks_off(image: Image.Image, *, upwards: bool = False) -> bool:
    """Whether a picture becomes one flat colour in the middle of a row, up to its end.

    Args:
        image: The stored pixels.
        upwards: Whether the file's first row is the picture's last, as in BMP.
    """
    tops = _flat_tops(image, upwards=upwards)
    if tops is None:
        return False
    height = image.size[1]
    border = int(np.median(tops))
    if height - border < max(height * _LEAST, 2):
        return False
    return any(_steps(tops, slack) for slack in (0, 1)) or (
        height - border >= height * _LARGE
        and bool((np.abs(tops - border) <= 1).mean() >= _STRAIGHT)
        and not _starts_flat(image, upwards=upwards)
    )


def _steps(tops: NDArray[np.intp], slack: int) -> bool:
    """Whether the flat part begins one row, of pixels or blocks, higher from some column on."""
    width = len(tops)
    right = int(np.median(tops[-max(width // 50, 1) :]))
    higher = np.abs(tops - right) <= slack
    # Some columns match by chance: the border is where the sides are told apart best.
    split = int(np.argmax(np.cumsum(np.where(higher, -1, 1)))) + 1
    if not _MARGIN <= split <= width - _MARGIN:
        return False
    left = int(np.median(tops[:split]))
    straight = (np.abs(tops[:split] - left) <= slack).mean(), higher[split:].mean()
    return slack < left - right and left - right in _STEPS and bool(min(straight) >= _STRAIGHT)


def _starts_flat(image: Image.Image, *, upwards: bool) -> bool:
    """Whether the other end has the same flat colour: a frame around the picture."""
    width, height = image.size
    first = _levels(image.crop((0, height - 1, width, height) if upwards else (0, 0, width, 1)))
    last = _levels(image.crop((0, 0, width, 1) if upwards else (0, height - 1, width, height)))
    return bool(
        (np.abs(first - np.median(last[0], axis=0)) <= _NEAR).all(axis=-1).mean() >= _STRAIGHT
    )


def _flat_tops(image: Image.Image, *, upwards: bool) -> NDArray[np.intp] | None:
    """For every column, the row from which it is flat to the end; None where the end is not."""
    width, height = image.size
    tops = np.full(width, height, dtype=np.intp)
    alive = np.ones(width, dtype=bool)
    last = height - 1
    edge = _levels(image.crop((0, 0, width, 1) if upwards else (0, last, width, height)))[0]
    end = np.median(edge, axis=0).astype(np.int16)
    if (np.abs(edge - end) <= _NEAR).all(axis=-1).mean() < _STRAIGHT:
        return None  # nearly every photo
    for bottom in range(height, 0, -_BAND):
        top = max(bottom - _BAND, 0)
        rows = (height - bottom, height - top) if upwards else (top, bottom)
        band = _levels(image.crop((0, rows[0], width, rows[1])))
        band = band[::-1] if upwards else band
        same = np.asarray((np.abs(band - end) <= _NEAR).all(axis=-1))
        runs = np.logical_and.accumulate(same[::-1], axis=0).sum(axis=0)  # rows, from below
        tops[alive] -= runs[alive]
        alive &= runs == band.shape[0]
        if alive.sum() <= width * (1 - _STRAIGHT):
            return tops
    return tops


def _levels(piece: Image.Image) -> NDArray[np.int16]:
    """Pixels as (h, w, c), on 8-bit levels."""
    if piece.mode == "1":
        piece = piece.convert("L")
    pixels = np.asarray(piece)
    if pixels.dtype != np.uint8:
        pixels = pixels >> 8
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return pixels.astype(np.int16)
