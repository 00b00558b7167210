"""Small ICC profiles, made on the spot, for the tests of colour."""

from __future__ import annotations

import struct
from collections.abc import Mapping

Colorants = tuple[tuple[int, int, int], ...]

# Columns rXYZ, gXYZ, bXYZ in s15Fixed16, D50-adapted.
SRGB: Colorants = ((28578, 14581, 912), (25241, 46981, 6362), (9376, 3972, 46799))
DISPLAY_P3: Colorants = ((33759, 15807, -69), (19160, 45364, 2747), (10276, 4365, 51396))
ADOBE_RGB: Colorants = ((39960, 20389, 1276), (13453, 40992, 3989), (9780, 4155, 48809))


def _profile(space: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += padded
    size = offset + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"none", 0x04300000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_profile(
    colorants: Colorants, curve: bytes, *, extra: Mapping[bytes, bytes] | None = None
) -> bytes:
    """A matrix profile with one curve for all three channels."""
    white = struct.pack(">4sIiii", b"XYZ ", 0, 63190, 65536, 54061)
    tags: dict[bytes, bytes] = {b"wtpt": white}
    for letter, column in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags[letter + b"XYZ"] = struct.pack(">4sIiii", b"XYZ ", 0, *column)
        tags[letter + b"TRC"] = curve
    return _profile(b"RGB ", tags | dict(extra or {}))


def gray_profile(curve: bytes) -> bytes:
    """A gray profile with one curve."""
    white = struct.pack(">4sIiii", b"XYZ ", 0, 63190, 65536, 54061)
    return _profile(b"GRAY", {b"wtpt": white, b"kTRC": curve})
