"""JPEG's markers: scans counted up to the end mark, and what to do where that mark is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import Image

from ralikit.errors import PhotoError
from ralikit.photo.damage import RUN

START = b"\xff\xd8"
END = b"\xff\xd9"
NO_END = "its end mark is missing; every pixel was there"

_MAX_SCANS = 100  # of a progressive JPEG; encoders make about ten
_DHT, _SOS, _EOI = 0xC4, 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
# Inside a scan, FF 00 is a pixel's byte and FF D0..D7 a restart.
_NEXT = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_FILLERS = (b"", b"\xaa\x55\x33\xcc" * 64, b"\x12\x9e\x4b\xd7\x60" * 64)
_WHOLE = 25_000_000  # pixels decoded at full size to compare


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What a walk along a JPEG's markers found, up to the end mark.

    Attributes:
        scans: How often pixel data begins.
        ended: Whether the end mark is there.
        complete: Whether the scans cover every component to its last bit.
        hole: Whether a run of zero bytes stands in pixel data that no encoder writes.
    """

    scans: int
    ended: bool
    complete: bool
    hole: bool


def walk(data: bytes) -> Marks:
    """Follow the markers of a JPEG file; lengths are heeded, so what segments hold is not read."""
    at, scans, scan, blocks = 2, 0, 0, 0
    components: list[int] = []
    left: dict[tuple[int, bool], int] = {}  # (component, DC or not) -> bits still to come
    zeros: dict[int, int] = {}  # table -> what a run of zero bits means in it
    hole = ended = plain = False
    while (found := _NEXT.search(data, at)) is not None and not ended:
        if scan:
            hole = hole or _hole(data, scan, found.start(), plain=plain, blocks=blocks)
            scan = 0
        at = found.end()
        mark = data[at - 1]
        ended = mark == _EOI
        if ended or mark in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + length]
        if mark in _FRAMES and len(body) > 5 and not components:
            components = list(body[6 : 6 + 3 * body[5] : 3])
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
            blocks = len(components) * -(-width // 8) * -(-height // 8)
            left = {(c, dc): 14 for c in components for dc in (True, False)}
        if mark == _DHT:
            zeros |= _zeros(body)
        at += max(length, 2)
        if mark == _SOS:
            scans, scan, plain = scans + 1, at, _plain(body, zeros)
            _cover(body, left)
    if scan:
        hole = hole or _hole(data, scan, len(data), plain=plain, blocks=blocks)
    complete = bool(components) and not any(left.values())
    return Marks(scans=scans, ended=ended, complete=complete, hole=hole)


def _hole(data: bytes, start: int, end: int, *, plain: bool, blocks: int) -> bool:
    """Whether a scan holds a run of zero bytes.

    Where zero bits are how an encoder writes "as before" (`plain`), plain backgrounds are such
    runs too, of two bits a block at most: only a longer one counts.
    """
    least = RUN + blocks // 4 if plain else RUN
    return data.find(bytes(least), start, end) >= 0


def _zeros(body: bytes) -> dict[int, int]:
    """Of every Huffman table in a segment, the symbol whose code is all zeros."""
    found, at = {}, 0
    while at + 18 <= len(body):
        found[body[at]] = body[at + 17]
        at += 17 + sum(body[at + 1 : at + 17])
    return found


def _plain(body: bytes, zeros: dict[int, int]) -> bool:
    """Whether zero bits in a scan mean no change and end of block."""
    count = body[0] if body else 0
    if len(body) < 4 + 2 * count:
        return True
    start, last, bits = body[1 + 2 * count : 4 + 2 * count]
    if start == 0 and bits >> 4:
        return True  # one more bit of every mean, as it is
    for selector in body[2 : 2 + 2 * count : 2]:
        if start == 0 and zeros.get(selector >> 4, 0) != 0:
            return False
        if last > 0 and zeros.get(0x10 | selector & 15, 0) & 15:
            return False
    return True


def _cover(body: bytes, left: dict[tuple[int, bool], int]) -> None:
    """Take off what a scan brings: coefficients from `start` on, down to bit `low`."""
    count = body[0] if body else 0
    if len(body) < 4 + 2 * count:
        return
    start, last, low = body[1 + 2 * count], body[2 + 2 * count], body[3 + 2 * count] & 15
    for component in body[1 : 1 + 2 * count : 2]:
        if start == 0 and (component, True) in left:
            left[component, True] = min(left[component, True], low)
        if last > 0 and (component, False) in left:
            left[component, False] = min(left[component, False], low)


def refuse_endless(marks: Marks, source: str) -> None:
    """A few bytes make one more scan over all pixels of a JPEG: thousands would take minutes.

    Raises:
        PhotoError: If there are more than any encoder makes.
    """
    if marks.scans > _MAX_SCANS:
        raise PhotoError(f"{source}: has {marks.scans} scans, which no camera or program writes")


def ended(data: bytes, marks: Marks) -> IO[bytes] | None:
    """A JPEG without its end mark, with one put behind it; None where pixels are missing too.

    A decoder fills what is missing without a word. So the file is decoded with the end mark at
    once, and with other bytes before it: where pixels are missing, those bytes become pixels.
    """
    body = data.rstrip(b"\xff")
    if not marks.complete:
        return None
    seen = {_decoded(body + filler + END) for filler in _FILLERS}
    return BytesIO(body + END) if len(seen) == 1 else None


def _decoded(data: bytes) -> int:
    with Image.open(BytesIO(data), formats=("JPEG",)) as image:
        width, height = image.size
        k = 1
        while k < 8 and width * height > _WHOLE * k * k:
            k *= 2
        if k > 1:
            image.draft(None, (width // k, height // k))
        return hash(image.tobytes())
