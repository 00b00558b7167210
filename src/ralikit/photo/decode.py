"""From a file, bytes, a PIL image or an array to upright sRGB pixels; every failure one sentence.

What is read: JPEG, PNG, WebP, BMP, TIFF, GIF (first picture of each) and, with the extra ``heic``,
HEIC. The size is checked in the header, before a pixel is decoded.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ralikit.errors import PhotoError
from ralikit.photo.colour import colour_of
from ralikit.photo.containers import Opened, open_file
from ralikit.photo.damage import FLAT, HOLE, breaks_off
from ralikit.photo.headers import check_size, has_gain_map, refuse_raw
from ralikit.photo.opened import Photo, guarded
from ralikit.photo.taken import time_taken
from ralikit.printable import printable

PhotoLike = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
Target = Callable[[int, int], tuple[int, int]]

_DECODED_BYTES = 100_000_000  # of a JPEG's pixels, 4 bytes each in Pillow
_PROGRESSIVE_BYTES = 320_000_000  # of a progressive JPEG's pixels and coefficients
_ORIENTATION = 0x0112
_GAIN_MAP = "its HDR gain map was left out: the standard-range picture was scored"


def decode(photo: PhotoLike, *, target: Target | None = None) -> Photo:
    """Read a photo; ``decode(photo).pixels`` is upright and in sRGB, (H, W, 3) uint8.

    The stored pixels are decoded here; turning and colour follow as pieces of it are asked for.

    Args:
        photo: A file's path, a file's bytes, a PIL image (its EXIF orientation and profile count),
            or an array: (H, W), (H, W, 3) or (H, W, 4) of uint8 or uint16, sRGB, alpha last.
        target: Gives the size the photo will be resized to from its own (upright) size. A JPEG file
            of more than 25 megapixels is then decoded 2, 4 or 8 times smaller, where twice the
            target is still left.

    Raises:
        PhotoError: If it cannot be read; one sentence that names it.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, Image.Image):
        source = printable(getattr(photo, "filename", "") or "the image")
        with guarded(source):
            check_size(photo.size, source)
            return _finish(Opened(image=photo), source)
    if isinstance(photo, bytes | bytearray | memoryview):
        return _from_stream(io.BytesIO(photo), "the image", target)
    if not isinstance(photo, str | os.PathLike):
        raise PhotoError(
            f"a photo is a path, bytes, a PIL image or an array, not {type(photo).__name__}"
        )
    source = printable(photo)
    path = Path(photo)
    try:
        if not path.is_file():
            # A pipe or a device could keep us waiting for ever.
            found = "is not a regular file" if path.exists() else "there is no such file"
            raise PhotoError(f"{source}: {found}")
        with path.open("rb") as stream:
            return _from_stream(stream, source, target)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{source}: cannot be read ({reason})") from error


def open_photo(path: Path) -> Image.Image:
    """A photo's file as an upright ``"RGB"`` image in sRGB.

    Raises:
        PhotoError: If it is missing or not a photo; nothing is ever put in its place.
    """
    return Image.fromarray(decode(path).pixels)


def _from_array(array: NDArray[Any]) -> Photo:
    source = "the array"
    channels = array.shape[2] if array.ndim == 3 else 1 if array.ndim == 2 else 0
    if channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise PhotoError(
            f"{source} has shape {array.shape} and type {array.dtype}, expected (H, W), (H, W, 3) "
            "or (H, W, 4) of uint8 or uint16"
        )
    height, width = array.shape[:2]
    check_size((width, height), source)
    narrow = array if array.dtype == np.uint8 else (array >> 8).astype(np.uint8)
    if array.ndim == 3 and channels == 1:
        narrow = narrow[:, :, 0]
    image = Image.fromarray(np.ascontiguousarray(narrow))
    return Photo(image=image, width=width, height=height, source=source)


def _from_stream(stream: IO[bytes], source: str, target: Target | None) -> Photo:
    with guarded(source):
        start = stream.read(16)
        stream.seek(0)
        if not start:
            raise PhotoError(f"{source}: the file is empty")
        opened = open_file(stream, start, source)
        image = opened.image
        check_size(image.size, source)
        refuse_raw(image, start, source)
        full = _reduce(image, target) if target else None
        return _finish(opened, source, full=full)


def _finish(opened: Opened, source: str, *, full: tuple[int, int, int] | None = None) -> Photo:
    """Check, load, and gather what the pixels need to become upright sRGB."""
    image = opened.image
    try:
        colour = colour_of(image, depth=opened.depth, coded=opened.coded)
    except PhotoError as error:
        raise PhotoError(f"{source}: {error}") from error
    notes = opened.notes + colour.notes
    if has_gain_map(image, opened.stream):
        notes += (_GAIN_MAP,)
    image.load()
    if HOLE not in notes and breaks_off(image, upwards=opened.upwards):
        notes += (FLAT,)
    orientation = _orientation(image)  # after loading: Pillow turns TIFFs by itself, and says so
    width, height, reduction = full or (*image.size, 1)
    if orientation >= 5:
        width, height = height, width
    return Photo(
        image=image,
        width=width,
        height=height,
        source=source,
        colour=colour,
        orientation=orientation,
        reduction=reduction,
        notes=notes,
        taken=time_taken(image),
    )


def _reduce(image: Image.Image, target: Target) -> tuple[int, int, int] | None:
    """Ask the JPEG decoder for a smaller picture where the whole one would take too much memory.

    Reducing inside the decoder is a plain average over blocks of k x k pixels (in the DCT), which
    is not quite the antialiased resize that follows: k is the smallest that fits, and at least
    twice the resize's size is left. Speed is no reason: nearly all the time goes into unpacking.

    Returns:
        Width and height of the stored picture, and k; None where it is decoded as it is.
    """
    if image.format not in {"JPEG", "MPO"}:
        return None
    width, height = image.size
    if _orientation(image) >= 5:
        goal_height, goal_width = target(height, width)
    else:
        goal_width, goal_height = target(width, height)
    room = _DECODED_BYTES
    if image.info.get("progressive"):
        # All coefficients, 3 x 2 bytes a pixel at most, stay in memory beside the pixels.
        room = min(room, _PROGRESSIVE_BYTES - 6 * width * height)
    k = 1
    while (
        k < 8
        and 4 * width * height > room * k * k
        and width >= 4 * k * goal_width
        and height >= 4 * k * goal_height
    ):
        k *= 2
    if k == 1 or image.draft(None, (width // k, height // k)) is None:
        return None
    return width, height, k


def _orientation(image: Image.Image) -> int:
    # Damaged EXIF says nothing about the pixels: the photo is taken as upright.
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (AttributeError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1
