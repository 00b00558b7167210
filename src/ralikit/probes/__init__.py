"""Golden photos: the same pixels on every computer, so that a file can be checked anywhere.

Four small pictures (see NOTICE) are continued by their mirror images to 512 x 512 and degraded in
whole numbers alone: no resize, no JPEG, no floating point that a library version could change.
That is why `ralikit.photo.degrade`, which uses all three, has no part in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.files import sha256_bytes

Pixels = NDArray[np.uint8]

_EDGE = 512
# One clean and two spoilt photos of each picture, from slightly to badly: the scores spread.
_RECIPES: dict[str, tuple[tuple[str, int], ...]] = {
    "astronaut": (("clean", 0), ("blur", 5), ("blocks", 8)),
    "chelsea": (("clean", 0), ("noise", 24), ("blur", 11)),
    "coffee": (("clean", 0), ("dark", 120), ("noise", 64)),
    "rocket": (("clean", 0), ("blocks", 4), ("dark", 40)),
}


@dataclass(frozen=True, eq=False)
class Probe:
    """One golden photo: its name, its pixels, (512, 512, 3) uint8, and their hash."""

    name: str
    pixels: Pixels
    sha256: str


def probe_photos() -> list[Probe]:
    """All of them, in a fixed order.

    Raises:
        BundleError: If a picture is missing from the installation.
    """
    photos = []
    for picture, recipes in _RECIPES.items():
        whole = _continued(_opened(picture))
        for kind, strength in recipes:
            pixels = _DEGRADE[kind](whole, strength)
            name = picture if kind == "clean" else f"{picture}, {kind} {strength}"
            photos.append(Probe(name, pixels, sha256_bytes(pixels.tobytes())))
    return photos


def _opened(name: str) -> Pixels:
    from PIL import Image

    path = Path(__file__).parent / f"{name}.png"
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise BundleError(f"this installation lacks the golden picture {path}") from error


def _continued(pixels: Pixels) -> Pixels:
    edge = len(pixels)
    at = np.arange(_EDGE) % (2 * edge)
    at = np.where(at < edge, at, 2 * edge - 1 - at)
    return np.ascontiguousarray(pixels[np.ix_(at, at)])


def _clean(pixels: Pixels, _strength: int) -> Pixels:
    return pixels


def _blur(pixels: Pixels, width: int) -> Pixels:
    # A box of odd width along each axis, borders repeated, rounded to the nearest whole.
    out = pixels.astype(np.int64)
    for axis in (0, 1):
        pads = [(0, 0)] * 3
        pads[axis] = (width // 2 + 1, width // 2)
        sums = np.pad(out, pads, mode="edge").cumsum(axis=axis)
        ends = np.take(sums, np.arange(width, width + _EDGE), axis=axis)
        starts = np.take(sums, np.arange(_EDGE), axis=axis)
        out = (ends - starts + width // 2) // width
    return out.astype(np.uint8)


def _noise(pixels: Pixels, amplitude: int) -> Pixels:
    # Knuth's multiplicative hash of the pixel's place: uniform in -amplitude..amplitude.
    place = np.arange(pixels.size, dtype=np.uint64).reshape(pixels.shape)
    mixed = (place * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    shift = ((mixed >> np.uint64(13)) % np.uint64(2 * amplitude + 1)).astype(np.int64) - amplitude
    return np.clip(pixels + shift, 0, 255).astype(np.uint8)


def _dark(pixels: Pixels, share: int) -> Pixels:
    return (pixels.astype(np.int64) * share // 256).astype(np.uint8)


def _blocks(pixels: Pixels, edge: int) -> Pixels:
    # Every block becomes its mean: what a JPEG of the lowest quality does.
    grid = pixels.reshape(_EDGE // edge, edge, _EDGE // edge, edge, 3).astype(np.int64)
    means = (grid.sum(axis=(1, 3)) + edge * edge // 2) // (edge * edge)
    blocks: Pixels = means.astype(np.uint8).repeat(edge, axis=0).repeat(edge, axis=1)
    return blocks


_DEGRADE = {"clean": _clean, "blur": _blur, "noise": _noise, "dark": _dark, "blocks": _blocks}
