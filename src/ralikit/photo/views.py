"""From a photo's sRGB pixels to the views a tower looks at: the exact resize and crops.

Every runtime in every language repeats this arithmetic; `runtimes/golden/` proves it. The resize is
Pillow's antialiased convolution (8-bit, horizontal then vertical), byte for byte; `resample` spells
it out in integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

    from ralikit.photo.decode import PhotoLike
    from ralikit.photo.opened import Photo

Filter = Literal["bicubic", "bilinear", "lanczos"]

_WHOLE = 1 << 23
"""Resized photos of up to this many pixels are made whole; of larger ones, only the views are."""

_MOST = 1 << 26
"""Pixels of all views of a photo, at most: 64 views of 1024 x 1024, which float32 makes 0.8 GB."""
_LONGEST = 1 << 15
"""Largest shortest edge, pixels."""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What happens to a photo before the tower, carried in the bundle.

    The photo (sRGB, upright) is resized so that its shortest edge is `shortest_edge` (or, where
    that is None, to exactly `size` x `size`, as SigLIP does), then one square of `size` pixels is
    cut at every anchor.

    Attributes:
        size: Edge of a view, pixels.
        shortest_edge: Edge to resize to, pixels, >= size; None squashes to the square.
        anchors: Where each view lies: (x, y) in 0..1 of the room left, (0.5, 0.5) the centre.
        resample: The resize's filter.
        mean: Per-channel mean taken off after scaling to 0..1.
        std: Per-channel divisor, > 0.
    """

    size: int
    shortest_edge: int | None
    anchors: tuple[tuple[float, float], ...] = ((0.5, 0.5),)
    resample: Filter = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UsageError(f"size must be at least 1 pixel, not {self.size}")
        if self.shortest_edge is not None and self.shortest_edge < self.size:
            raise UsageError(
                f"shortest_edge ({self.shortest_edge}) must not be below size ({self.size})"
            )
        if not self.anchors:
            raise UsageError("anchors must name at least one view")
        if self.views * self.size**2 > _MOST:
            raise UsageError(
                f"{self.views} views of {self.size} x {self.size} are over {_MOST:,} pixels a photo"
            )
        if self.shortest_edge is not None and self.shortest_edge > _LONGEST:
            raise UsageError(f"shortest_edge is at most {_LONGEST}, not {self.shortest_edge}")
        if any(not 0.0 <= v <= 1.0 for anchor in self.anchors for v in anchor):
            raise UsageError("anchors must lie in 0..1")
        if any(not (math.isfinite(s) and s > 0) for s in self.std):
            raise UsageError("std must be positive")
        if not all(math.isfinite(m) for m in self.mean):
            raise UsageError("mean must be finite")

    @property
    def views(self) -> int:
        """Number of views of one photo, V."""
        return len(self.anchors)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in pixels, of a photo of `width` x `height` after the resize.

        The long edge is cut to a whole pixel (integer division), as CLIP's preprocessing does.
        """
        if width < 1 or height < 1:
            raise UsageError(f"a photo has at least one pixel, not {width} x {height}")
        if self.shortest_edge is None:
            return self.size, self.size
        if width <= height:
            return self.shortest_edge, self.shortest_edge * height // width
        return self.shortest_edge * width // height, self.shortest_edge

    def corners(self, width: int, height: int) -> list[tuple[int, int]]:
        """Left and top of every view inside a resized photo of `width` x `height`, pixels."""
        return [
            (math.floor((width - self.size) * x), math.floor((height - self.size) * y))
            for x, y in self.anchors
        ]


def decode_photo(photo: PhotoLike, preprocess: Preprocess) -> Photo:
    """Read a photo for these views: a large JPEG is decoded no larger than they need.

    Raises:
        PhotoError: If it cannot be read; one sentence that names it.
    """
    from ralikit.photo.decode import decode

    return decode(photo, target=preprocess.resized)


def load_views(photo: PhotoLike, preprocess: Preprocess) -> NDArray[np.uint8]:
    """From a file (or bytes, an image, an array) to the views, (V, S, S, 3).

    Raises:
        PhotoError: If it cannot be read; one sentence that names it.
    """
    return make_views(decode_photo(photo, preprocess), preprocess)


def make_views(photo: Photo | NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Resize a photo and cut its views out.

    Args:
        photo: From `ralikit.photo.decode.decode`, or upright sRGB pixels, (H, W, 3).
        preprocess: The bundle's settings.

    Returns:
        (V, S, S, 3), what a scorer's graph takes.

    Raises:
        PhotoError: If the array is no photo or the pixels cannot be converted.
    """
    from ralikit.photo.decode import decode

    if isinstance(photo, np.ndarray):
        photo = decode(photo)
    resized = preprocess.resized(photo.width, photo.height)
    size = preprocess.size
    boxes = [(x, y, x + size, y + size) for x, y in preprocess.corners(*resized)]
    if resized[0] * resized[1] > _WHOLE:
        return np.stack([_window(photo, resized, box, preprocess.resample) for box in boxes])
    whole = np.asarray(_resized(photo, resized, preprocess.resample))
    return np.stack([whole[y : y + size, x : x + size] for x, y, *_ in boxes])


def resize_photo(photo: Photo, preprocess: Preprocess) -> Image.Image:
    """The whole photo as large as its views are cut from, ``"RGB"``; of any size, so bound it.

    Raises:
        PhotoError: If the pixels cannot be converted.
    """
    resized = preprocess.resized(photo.width, photo.height)
    return _resized(photo, resized, preprocess.resample)


def _resized(photo: Photo, resized: tuple[int, int], resample: Filter) -> Image.Image:
    """The whole resized photo; strip by strip, so that only the decoded pixels are large."""
    from PIL import Image

    from ralikit.photo.resample import resize_across, resize_down

    width, height = photo.size
    left, top, right, bottom = photo.span or (0.0, 0.0, width, height)
    narrow = Image.new("RGB", (resized[0], height))
    for row, strip in photo.strips():
        narrow.paste(resize_across(strip, resized[0], resample, (left, right)), (0, row))
    return resize_down(narrow, resized[1], resample, (top, bottom))


def _window(
    photo: Photo, resized: tuple[int, int], box: tuple[int, int, int, int], resample: Filter
) -> NDArray[np.uint8]:
    """One view of a photo so elongated that the whole of it resized would not fit in memory."""
    from ralikit.photo.resample import resize_window

    def region(left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
        return np.asarray(photo.region(left, top, right, bottom))

    return resize_window(region, photo.size, resized, box, resample=resample, span=photo.span)
