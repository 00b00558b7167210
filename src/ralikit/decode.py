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
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ralikit.colour import colour_of
from ralikit.errors import MissingExtraError, PhotoError
from ralikit.extras import require
from ralikit.names import printable
from ralikit.photo import Photo, guarded

PhotoLike = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
Target = Callable[[int, int], tuple[int, int]]

MAX_PIXELS = 100 * 1024 * 1024
"""Largest photo that is decoded: 100 megapixels, with room for cameras named so (102 million)."""

MAX_EDGE = 100_000
"""Longest edge that is decoded, pixels."""

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
    | {".heic", ".heif", ".hif"}
)
"""Endings of the files a folder is searched for."""

# Naming the plugins keeps Pillow from importing all of its forty to find out about one file.
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
)
_FORMATS = tuple(plugin.format for plugin in _PLUGINS)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_MAX_SCANS = 100  # of a progressive JPEG; encoders make about ten
_DECODED_BYTES = 100_000_000  # of a JPEG's pixels, 4 bytes each in Pillow
_PROGRESSIVE_BYTES = 320_000_000  # of a progressive JPEG's pixels and coefficients
_ORIENTATION, _BITS, _SUBFILE, _DNG = 0x0112, 258, 254, 50706
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap", b"aux:hdrgainmap", b"urn:iso:std:iso:ts:21496")
_GAIN_MAP = "its HDR gain map was left out: the standard-range picture was scored"
_PQ, _HLG = 16, 18  # transfer characteristics, ITU-T H.273


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
            _check_size(photo.size, source)
            return _finish(photo, source)
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


def _from_array(array: NDArray[Any]) -> Photo:
    source = "the array"
    channels = array.shape[2] if array.ndim == 3 else 1 if array.ndim == 2 else 0
    if channels not in (1, 3, 4) or array.dtype not in (np.uint8, np.uint16):
        raise PhotoError(
            f"{source} has shape {array.shape} and type {array.dtype}, expected (H, W), (H, W, 3) "
            "or (H, W, 4) of uint8 or uint16"
        )
    height, width = array.shape[:2]
    _check_size((width, height), source)
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
        image = _open(stream, start, source)
        _check_size(image.size, source)
        if image.info.get("progressive"):
            _refuse_endless(stream, source)
        depth = _sample_bits(image, stream, source)
        _refuse_raw(image, start, source)
        full = _reduce(image, target) if target else None
        return _finish(image, source, depth=depth, full=full, stream=stream)


def _open(stream: IO[bytes], start: bytes, source: str) -> Image.Image:
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS:
        try:
            require("pillow_heif", extra="heic", job="Reading HEIC photos")
        except MissingExtraError as error:
            raise PhotoError(f"{source}: {error}") from error
        from pillow_heif.as_plugin import HeifImageFile

        # Opened directly: registering the plugin would change Pillow for the whole process.
        image: Image.Image = HeifImageFile(stream, source)
        return image
    try:
        return Image.open(stream, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise PhotoError(
            f"{source}: is no photo that can be read (expected JPEG, PNG, WebP, BMP, TIFF, GIF or "
            "HEIC)"
        ) from error


def _check_size(size: tuple[int, int], source: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PhotoError(f"{source}: has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS or max(size) > MAX_EDGE:
        raise PhotoError(
            f"{source}: is {width} x {height} pixels; the limit is 100 megapixels and "
            f"{MAX_EDGE} on an edge"
        )


def _refuse_endless(stream: IO[bytes], source: str) -> None:
    """A few bytes make one more scan over all pixels of a JPEG: thousands would take minutes."""
    position, scans, carry = stream.tell(), 0, b""
    stream.seek(0)
    while block := stream.read(1 << 20):
        scans += (carry + block).count(b"\xff\xda")
        carry = block[-1:]
    stream.seek(position)
    if scans > _MAX_SCANS:
        raise PhotoError(f"{source}: has {scans} scans, which no camera or program writes")


def _finish(
    image: Image.Image,
    source: str,
    *,
    depth: int | None = None,
    full: tuple[int, int, int] | None = None,
    stream: IO[bytes] | None = None,
) -> Photo:
    """Check, load, and gather what the pixels need to become upright sRGB."""
    try:
        colour = colour_of(image, depth=depth)
        _refuse_hdr(image)
    except PhotoError as error:
        raise PhotoError(f"{source}: {error}") from error
    notes = colour.notes + ((_GAIN_MAP,) if _has_gain_map(image, stream) else ())
    image.load()
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


def _sample_bits(image: Image.Image, stream: IO[bytes], source: str) -> int | None:
    """Bits of a sample, where Pillow's mode does not tell; refuses a PNG that declares HDR."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS)  # type: ignore[attr-defined]
        first = bits[0] if isinstance(bits, tuple) and bits else bits
        return first if isinstance(first, int) else None
    if image.format != "PNG":
        return None
    position = stream.tell()
    stream.seek(8)
    depth = None
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"IDAT", b"IEND"):
            break
        data = stream.read(min(length, 16))
        if kind == b"IHDR" and len(data) > 8:
            depth = data[8]
        if kind == b"cICP" and len(data) >= 4 and data[1] in (_PQ, _HLG):
            raise PhotoError(f"{source}: {_hdr(data[1])}")
        stream.seek(length - len(data) + 4, os.SEEK_CUR)
    stream.seek(position)
    return depth


def _refuse_raw(image: Image.Image, start: bytes, source: str) -> None:
    """A raw file is a TIFF whose first picture is a thumbnail: scoring that would mislead."""
    if image.format != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG in tags or tags.get(_SUBFILE, 0) == 1 or start[8:10] == b"CR":
        raise PhotoError(
            f"{source}: is a camera raw file, whose first picture is a preview; develop it to JPEG "
            "or TIFF first"
        )


def _refuse_hdr(image: Image.Image) -> None:
    nclx = image.info.get("nclx_profile")
    code = nclx.get("transfer_characteristics") if isinstance(nclx, dict) else None
    if code is not None and int(code) in (_PQ, _HLG):
        raise PhotoError(_hdr(int(code)))


def _hdr(code: int) -> str:
    return (
        f"is high dynamic range ({'PQ' if code == _PQ else 'HLG'}), which is not scored; export it "
        "as a standard-range photo"
    )


def _has_gain_map(image: Image.Image, stream: IO[bytes] | None) -> bool:
    if any("hdrgainmap" in str(name).lower() for name in image.info.get("aux", ())):
        return True
    data = image.info.get("xmp", b"")
    if image.format == "MPO" and stream is not None:
        # The gain map is a second JPEG behind the first and names itself there.
        position = stream.tell()
        stream.seek(0)
        data = stream.read()
        stream.seek(position)
    return isinstance(data, bytes) and any(mark in data for mark in _GAIN_MAPS)
