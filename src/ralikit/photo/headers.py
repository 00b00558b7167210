"""What a photo's header gives away before a pixel is decoded: size, depth, and what is refused."""

from __future__ import annotations

from typing import IO

from PIL import Image

from ralikit.errors import PhotoError

MAX_PIXELS = 100 * 1024 * 1024
"""Largest photo that is decoded: 100 megapixels, with room for cameras named so (102 million)."""

MAX_EDGE = 100_000
"""Longest edge that is decoded, pixels."""

_BITS, _SUBFILE, _DNG = 258, 254, 50706  # TIFF tags
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap", b"aux:hdrgainmap", b"urn:iso:std:iso:ts:21496")


def check_size(size: tuple[int, int], source: str) -> None:
    """Refuse a photo without pixels and one that is beyond `MAX_PIXELS` or `MAX_EDGE`.

    Raises:
        PhotoError: In either case.
    """
    width, height = size
    if width < 1 or height < 1:
        raise PhotoError(f"{source}: has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS or max(size) > MAX_EDGE:
        raise PhotoError(
            f"{source}: is {width} x {height} pixels; the limit is 100 megapixels and "
            f"{MAX_EDGE} on an edge"
        )


def tiff_bits(image: Image.Image) -> int | None:
    """Bits of a TIFF's first sample, where Pillow's mode does not tell."""
    if image.format != "TIFF":
        return None
    bits = image.tag_v2.get(_BITS)  # type: ignore[attr-defined]
    first = bits[0] if isinstance(bits, tuple) and bits else bits
    return first if isinstance(first, int) else None


def refuse_raw(image: Image.Image, start: bytes, source: str) -> None:
    """A raw file is a TIFF whose first picture is a thumbnail: scoring that would mislead."""
    if image.format != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG in tags or tags.get(_SUBFILE, 0) == 1 or start[8:10] == b"CR":
        raise PhotoError(
            f"{source}: is a camera raw file, whose first picture is a preview; develop it to JPEG "
            "or TIFF first"
        )


def has_gain_map(image: Image.Image, stream: IO[bytes] | None) -> bool:
    """Whether the file also holds a gain map, with which a display would widen the range."""
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
