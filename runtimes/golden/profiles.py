"""Small ICC profiles, written here byte by byte so that the golden photos carry no one else's."""

from __future__ import annotations

import struct

Xyz = tuple[float, float, float]

# D50 colorants (rXYZ, gXYZ, bXYZ), Bradford-adapted from the primaries' published chromaticities.
DISPLAY_P3: tuple[Xyz, Xyz, Xyz] = (
    (0.515102, 0.241182, -0.001050),
    (0.291965, 0.692236, 0.041882),
    (0.157153, 0.066582, 0.784378),
)
ADOBE_RGB: tuple[Xyz, Xyz, Xyz] = (
    (0.609741, 0.311111, 0.019470),
    (0.205276, 0.625671, 0.060867),
    (0.149185, 0.063217, 0.744568),
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _s15(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def xyz(value: Xyz) -> bytes:
    """An XYZ tag."""
    return b"XYZ \0\0\0\0" + b"".join(_s15(v) for v in value)


def para(*parameters: float) -> bytes:
    """A parametric curve of function type 0 (one parameter) or 3 (five)."""
    kind = {1: 0, 5: 3}[len(parameters)]
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(map(_s15, parameters))


def curv(*entries: int) -> bytes:
    """A sampled curve; one entry is a gamma in 256ths."""
    return b"curv\0\0\0\0" + struct.pack(f">I{len(entries)}H", len(entries), *entries)


def _text(kind: bytes, words: str) -> bytes:
    data = words.encode("ascii") + b"\0"
    if kind == b"desc":
        return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + bytes(78)
    return kind + b"\0\0\0\0" + data


def profile(space: bytes, tags: dict[str, bytes], name: str) -> bytes:
    """A version 2 display profile.

    Args:
        space: ``b"RGB "`` or ``b"GRAY"``.
        tags: Tag name -> tag data; description, copyright and white point are added.
        name: Its description.
    """
    tags = {
        "desc": _text(b"desc", name),
        "cprt": _text(b"text", "No copyright, use freely"),
        "wtpt": xyz((0.964203, 1.0, 0.824905)),
        **tags,
    }
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for tag, raw in tags.items():
        data = raw + bytes(-len(raw) % 4)
        table += tag.encode("ascii") + struct.pack(">II", start + len(body), len(raw))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI",
        start + len(body), b"\0" * 4, 0x02400000, b"mntr", space, b"XYZ ",
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", b"\0" * 4, 0, 0, 0, 0, 0,
    )  # fmt: skip
    header += _s15(0.964203) + _s15(1.0) + _s15(0.824905)
    header += bytes(128 - len(header))
    return header + struct.pack(">I", len(tags)) + table + body


def rgb_profile(colorants: tuple[Xyz, Xyz, Xyz], curve: bytes, name: str) -> bytes:
    """A matrix profile with one curve for all channels."""
    tags = {f"{c}XYZ": xyz(value) for c, value in zip("rgb", colorants, strict=True)}
    return profile(b"RGB ", tags | {f"{c}TRC": curve for c in "rgb"}, name)


def gray_profile(curve: bytes, name: str) -> bytes:
    """A gray profile."""
    return profile(b"GRAY", {"kTRC": curve}, name)
