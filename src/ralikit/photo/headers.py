"""What a photo's header gives away before a pixel is decoded: size, depth, and what is refused."""

from __future__ import annotations

import os
import struct
from typing import IO

from PIL import Image

from ralikit.errors import PhotoError

MAX_PIXELS = 100 * 1024 * 1024
"""Largest photo that is decoded: 100 megapixels, with room for cameras named so (102 million)."""

MAX_EDGE = 100_000
"""Longest edge that is decoded, pixels."""

_MAX_SCANS = 100  # of a progressive JPEG; encoders make about ten
_BITS, _SUBFILE, _DNG = 258, 254, 50706  # TIFF tags
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap", b"aux:hdrgainmap", b"urn:iso:std:iso:ts:21496")
_PQ, _HLG = 16, 18  # transfer characteristics, ITU-T H.273


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


def refuse_endless(stream: IO[bytes], source: str) -> None:
    """A few bytes make one more scan over all pixels of a JPEG: thousands would take minutes."""
    position, scans, carry = stream.tell(), 0, b""
    stream.seek(0)
    while block := stream.read(1 << 20):
        scans += (carry + block).count(b"\xff\xda")
        carry = block[-1:]
    stream.seek(position)
    if scans > _MAX_SCANS:
        raise PhotoError(f"{source}: has {scans} scans, which no camera or program writes")


def sample_bits(image: Image.Image, stream: IO[bytes], source: str) -> int | None:
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


def refuse_hdr(image: Image.Image) -> None:
    """Refuse a HEIC photo whose nclx box declares PQ or HLG; the message lacks the photo's name."""
    nclx = image.info.get("nclx_profile")
    code = nclx.get("transfer_characteristics") if isinstance(nclx, dict) else None
    if code is not None and int(code) in (_PQ, _HLG):
        raise PhotoError(_hdr(int(code)))


def _hdr(code: int) -> str:
    return (
        f"is high dynamic range ({'PQ' if code == _PQ else 'HLG'}), which is not scored; export it "
        "as a standard-range photo"
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
