"""A score map as a picture: the photo, and its scores as colours over it; the worst is outlined.

Pillow alone draws it. The colours run from blue over grey to yellow, which people with any of the
usual colour blindnesses tell apart, and from dark to light, so that a print in grey reads too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

if TYPE_CHECKING:
    from ralikit.explain import Explanation

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_STOPS = (
    (0, 34, 78),
    (33, 58, 110),
    (76, 85, 108),
    (108, 109, 114),
    (142, 137, 117),
    (178, 167, 108),
    (217, 199, 89),
    (254, 232, 56),
)
"""Colours of cividis (Nunez, Anderton, Renslow 2018), evenly spaced: good to bad."""

_TINT = 0.7
"""How much of a map's pixel is colour; the rest is the photo in grey."""
_SHORT, _LONG = 420, 840
"""Edges of the photo in the picture: at least and at most, pixels; the second goes first."""
_WIDE = 1.5
"""From this ratio of its sides on, the photo lies above its map and not beside it."""
_BAR = 118
"""Width of the scale with its numbers, pixels."""
_PAPER, _INK, _SOFT = (255, 255, 255), (20, 20, 20), (90, 90, 90)


def colours(values: NDArray[np.float64]) -> Pixels:
    """The map's colour of badness 0 (good: dark blue) to 1 (bad: yellow), (…) -> (…, 3)."""
    stops = np.array(_STOPS, dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(stops))
    channels = [np.interp(values, places, stops[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def draw_map(found: Explanation) -> Image.Image:
    """The whole picture: what was found in words, the photo under its map, and the scale.

    Args:
        found: From `ralikit.explain.explain`.

    Returns:
        An ``"RGB"`` image.
    """
    photo = found.pixels.resize(_shown_size(*found.pixels.size), Image.Resampling.LANCZOS)
    size = photo.size
    wide = size[0] >= _WIDE * size[1]
    font, small = _font(18), _font(15)
    margin, gap = 16, 12
    second = (0, size[1] + gap) if wide else (size[0] + gap, 0)
    width = max(second[0] + size[0] + _BAR, _SHORT) + 2 * margin
    lines = [
        *((line, font, _INK) for line in _wrapped(_headline(found), font, width - 2 * margin)),
        *((line, small, _SOFT) for line in _wrapped(_below(found), small, width - 2 * margin)),
    ]
    top = margin + sum(_line_height(f) for _, f, _ in lines) + 8
    canvas = Image.new("RGB", (width, top + second[1] + size[1] + margin), _PAPER)
    pen = ImageDraw.Draw(canvas)
    y = margin
    for line, face, ink in lines:
        pen.text((margin, y), line, font=face, fill=ink)
        y += _line_height(face)
    box = _worst_box(found, size)
    left, down = margin + second[0], top + second[1]
    canvas.paste(_outlined(photo, box), (margin, top))
    canvas.paste(_outlined(_overlay(found, photo), box), (left, down))
    _draw_scale(pen, found, (left + size[0] + 14, down, size[1]), small)
    return canvas


def _headline(found: Explanation) -> str:
    worst = found.worst
    said = f": {', '.join(reason.words for reason in worst.reasons)}" if worst.reasons else ""
    if not found.stands_out:
        return f"No region stands out. The lowest, outlined, scores {worst.value:.2f}{said}"
    return f"Worst region, outlined: {worst.value:.2f}{said}"


def _below(found: Explanation) -> str:
    score = found.score
    return (
        f"the whole photo: {score.value:.2f} on a scale of {score.minimum:g} to {score.maximum:g} "
        f"({found.model}){'; without colour: too plain to judge' if found.plain.any() else ''}"
    )


def _overlay(found: Explanation, photo: Image.Image) -> Image.Image:
    grey = np.asarray(photo.convert("L"), dtype=np.float64)[..., None]
    low, high = found.span
    badness = np.clip((high - _smooth(found.cells, photo.size)) / (high - low), 0.0, 1.0)
    tint = _TINT * (1.0 - _smooth(found.plain, photo.size)[..., None])
    mixed = (1.0 - tint) * grey + tint * colours(badness)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def _worst_box(found: Explanation, size: tuple[int, int]) -> tuple[int, int, int, int]:
    worst = found.worst
    across, down = size[0] / found.score.width, size[1] / found.score.height
    return (
        round(worst.left * across),
        round(worst.top * down),
        round(worst.right * across) - 1,
        round(worst.bottom * down) - 1,
    )


def _outlined(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """A white line between black ones: seen on any colour."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = box
    for inset, ink in enumerate(((0, 0, 0), _PAPER, _PAPER, (0, 0, 0))):
        if left + inset < right - inset and top + inset < bottom - inset:
            pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=ink)
    return image


def _draw_scale(
    pen: ImageDraw.ImageDraw, found: Explanation, place: tuple[int, int, int], font: Font
) -> None:
    """The bar of colours with its numbers, good at the top; the photo's own score is marked."""
    left, top, height = place
    thick = 22
    shades = _TINT * colours(np.linspace(0.0, 1.0, height)) + (1.0 - _TINT) * 128.0
    for row, shade in enumerate(np.rint(shades).astype(int)):
        pen.line((left, top + row, left + thick, top + row), fill=tuple(int(c) for c in shade))
    pen.rectangle((left, top, left + thick, top + height - 1), outline=_INK)
    low, high = found.span
    for mark in range(5):
        share = mark / 4
        y = top + round(share * (height - 1))
        pen.line((left + thick, y, left + thick + 5, y), fill=_INK)
        text = f"{high - share * (high - low):.2f}"
        above = {0: 0, 4: _line_height(font) - 2}.get(mark, _line_height(font) // 2)
        word = {0: " better", 4: " worse"}.get(mark, "")
        pen.text((left + thick + 9, y - above), text + word, font=font, fill=_INK)


def _smooth(cells: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Cells as a picture without edges that are not there, (rows, columns) -> (height, width)."""
    image = Image.fromarray(cells.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR), dtype=np.float64)


def _shown_size(width: int, height: int) -> tuple[int, int]:
    scale = max(_SHORT / min(width, height), 1.0)
    scale = min(scale, _LONG / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _font(size: int) -> Font:
    # Without FreeType, Pillow has one small face of its own, and no choice of size.
    return ImageFont.load_default(size if features.check("freetype2") else None)


def _line_height(font: Font) -> int:
    return round(font.getbbox("Ágy")[3] * 1.25)


def _wrapped(text: str, font: Font, width: int) -> Sequence[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
