"""A decoded photo that gives its pixels upright and in sRGB, piece by piece."""

from __future__ import annotations

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ralikit.errors import PhotoError
from ralikit.extras import keep_off_stderr
from ralikit.photo.colour import Colour
from ralikit.photo.native import silence_libtiff

keep_off_stderr("PIL")  # "More samples per pixel than can be decoded": our own sentence follows
silence_libtiff()

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

_STRIP = 1 << 20
"""Pixels converted at a time: what a 50-megapixel photo needs beside its decoded pixels."""

# EXIF orientation -> the transpose that turns the stored picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Everything Pillow's decoders were seen to raise on damaged files.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo whose stored pixels are in memory.

    Attributes:
        image: The stored pixels, in the file's own mode and orientation.
        width: Width of the whole photo, upright, pixels.
        height: Height of the whole photo, upright, pixels.
        source: Its name, printable.
        colour: How the stored pixels become sRGB.
        orientation: EXIF orientation of the stored pixels, 1..8.
        reduction: How many times smaller than the photo the stored pixels are (JPEG only).
        notes: What a user should know about how it was read.
        taken: When it was taken, seconds on the camera's clock (`time_taken`); None: not said.
    """

    image: Image.Image
    width: int
    height: int
    source: str
    colour: Colour = field(default_factory=Colour)
    orientation: int = 1
    reduction: int = 1
    notes: tuple[str, ...] = ()
    taken: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the decoded pixels, upright."""
        width, height = self.image.size
        return (height, width) if self.orientation >= 5 else (width, height)

    @property
    def span(self) -> Box | None:
        """The part of the decoded pixels that the photo covers; None: all of it.

        A JPEG reduced k times has ceil(edge / k) pixels, the last of them partly outside the photo.
        """
        if self.reduction == 1:
            return None
        width, height = self.size
        across, down = self.width / self.reduction, self.height / self.reduction
        # Turning the picture upright can bring the partial pixels to the left or to the top.
        left = width - across if self.orientation in (2, 3, 6, 7) else 0.0
        top = height - down if self.orientation in (3, 4, 7, 8) else 0.0
        return (left, top, left + across, top + down)

    def region(self, left: int, top: int, right: int, bottom: int) -> Image.Image:
        """Pixels of the upright photo, as an ``"RGB"`` image in sRGB.

        Raises:
            PhotoError: If they cannot be converted.
        """
        with guarded(self.source):
            stored = self._stored_box(left, top, right, bottom)
            whole = stored == (0, 0, *self.image.size)
            piece = self.colour.to_srgb(self.image if whole else self.image.crop(stored))
            turn = _TURNS.get(self.orientation)
            return piece if turn is None else piece.transpose(turn)

    def strips(self) -> Iterator[tuple[int, Image.Image]]:
        """The whole upright photo from top to bottom: row, pixels."""
        width, height = self.size
        step = max(1, _STRIP // width)
        for top in range(0, height, step):
            yield top, self.region(0, top, width, min(top + step, height))

    @property
    def pixels(self) -> Pixels:
        """The whole upright photo in sRGB, (H, W, 3), made anew at every call."""
        width, height = self.size
        out = np.empty((height, width, 3), dtype=np.uint8)
        for top, strip in self.strips():
            out[top : top + strip.height] = np.asarray(strip)
        return out

    def _stored_box(
        self, left: int, top: int, right: int, bottom: int
    ) -> tuple[int, int, int, int]:
        """Where an upright box lies in the stored picture."""
        width, height = self.image.size
        if self.orientation in (5, 6, 7, 8):
            left, top, right, bottom = top, left, bottom, right
        if self.orientation in (2, 3, 7, 8):
            left, right = width - right, width - left
        if self.orientation in (3, 4, 6, 7):
            top, bottom = height - bottom, height - top
        return left, top, right, bottom


@contextmanager
def guarded(source: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence about the photo, and keep it quiet.

    Raises:
        PhotoError: In place of any of the decoders' errors.
    """
    try:
        with _quiet():
            yield
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{source}: not enough memory to decode it") from error
    except _DECODER_ERRORS as error:
        raise PhotoError(f"{source}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return "is far larger than the limit of 100 megapixels"
    # Messages may quote bytes of the file: one printable line, no object addresses.
    text = "".join(c if c.isprintable() else " " for c in str(error))
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>|<_io\.[^<>]*>", "the file", " ".join(text.split()))
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "the file is cut off; get a complete copy"
    return f"cannot be decoded ({text[:120] or type(error).__name__})"


_lock = threading.Lock()
_depth = 0
_saved: warnings.catch_warnings[None] | None = None


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Pillow's own warnings (damaged EXIF, large pictures); nobody else's.

    Warning filters belong to the whole process, so concurrent decoders share one change: the first
    makes it, the last takes it back.
    """
    global _depth, _saved
    with _lock:
        if _depth == 0:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif")
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0 and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None
