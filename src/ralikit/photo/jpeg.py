"""JPEG's markers: scans counted up to the end mark, and what to do where that mark is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import Image

from ralikit.errors import PhotoError

START = b"\xff\xd8"
END = b"\xff\xd9"
NO_END = "its end mark is missing; every pixel was there"

_MAX_SCANS = 100  # of a progressive JPEG; encoders make about ten
_SOS, _EOI = 0xDA, 0xD9
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
        first: Where the first scan's header begins; the file's size where there is none.
        end: Where the end mark stands; the file's size where there is none.
    """

    scans: int
    ended: bool
    complete: bool
    first: int
    end: int


def walk(data: bytes) -> Marks:
    """Follow the markers of a JPEG file; lengths are heeded, so what segments hold is not read."""
    at, scans, first = 2, 0, len(data)
    components: list[int] = []
    left: dict[tuple[int, bool], int] = {}  # (component, DC or not) -> bits still to come
    while (found := _NEXT.search(data, at)) is not None:
        at = found.end()
        mark = data[at - 1]
        if mark == _EOI:
            done = bool(components) and not any(left.values())
            return Marks(scans=scans, ended=True, complete=done, first=first, end=found.start())
        if mark in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + length]
        if mark in _FRAMES and len(body) > 5 and not components:
            components = list(body[6 : 6 + 3 * body[5] : 3])
            left = {(c, dc): 14 for c in components for dc in (True, False)}
        if mark == _SOS:
            scans, first = scans + 1, min(first, found.start())
            _cover(body, left)
        at += max(length, 2)
    done = bool(components) and not any(left.values())
    return Marks(scans=scans, ended=False, complete=done, first=first, end=len(data))


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
