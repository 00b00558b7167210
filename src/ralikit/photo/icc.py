"""Embedded colour profiles to sRGB, in arithmetic that every language repeats bit for bit.

A photo's 8-bit RGB values go through three steps, all in IEEE-754 doubles, every product and sum
rounded on its own (no fused multiply-add, no matrix library), in this order:

1. **Linearise.** ``lin[c][v]`` for channel c and value v in 0..255, from the profile's curve, then
   clipped to 0..1 and rounded to 24 fractional bits: ``floor(y * 16777216 + 0.5) / 16777216``. The
   rounding hides the last-bit differences of `pow` between languages. With ``x = v / 255``:

   - ``curv`` of 0 entries: ``y = x``;
   - ``curv`` of 1 entry e: ``y = pow(x, e / 256)``;
   - ``curv`` of n >= 2 entries t: ``p = v * (n - 1)``, ``i = p div 255``, ``r = p mod 255``
     (integers), ``y = (t[i] * (255 - r) + t[min(i + 1, n - 1)] * r) / 16711425``: an exact integer
     divided once (16711425 = 255 * 65535);
   - ``para`` of function type 0..4 with g, a, b, c, d, e, f (those the type has; a = 1 and the rest
     0 otherwise), ``s = a * x + b``, ``power = pow(s, g)`` where s > 0, else 0:
     type 0 ``pow(x, g)``; type 1 ``power if s >= 0 else 0``; type 2 ``power + c if s >= 0 else c``;
     type 3 ``power if x >= d else c * x``; type 4 ``power + e if x >= d else c * x + f``.

2. **Matrix.** ``M = C * P`` with P the profile's colorants (columns rXYZ, gXYZ, bXYZ; each number
   an s15Fixed16 integer / 65536) and C = `FROM_XYZ`, the constants below:
   ``M[i][j] = (C[i][0] * P[0][j] + C[i][1] * P[1][j]) + C[i][2] * P[2][j]``. Then, per pixel,
   ``y[i] = (M[i][0] * lin[0][r] + M[i][1] * lin[1][g]) + M[i][2] * lin[2][b]``.

3. **Encode.** ``y`` clipped to 0..1, ``index = floor(y * 65535 + 0.5)``, result ``ENCODE[index]``,
   where ``ENCODE[k] = floor(255 * e(k / 65535) + 0.5)`` and e is sRGB's curve (IEC 61966-2-1):
   ``12.92 * u if u <= 0.0031308 else 1.055 * pow(u, 1 / 2.4) - 0.055``. No entry lies nearer than
   1e-6 to a rounding border, so the table is the same whatever `pow` a language has.

A profile that already is sRGB (colorants within `SAME_COLORANT` of sRGB's in every coordinate, and
``|ENCODE[floor(lin[c][v] * 65535 + 0.5)] - v| <= 1`` for all c, v) leaves the pixels untouched.
A gray profile (``kTRC``) is steps 1 and 3 alone: ``ENCODE[floor(lin[v] * 65535 + 0.5)]``.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ralikit.photo.curves import ProfileError, Table, Transfer, read_curve, transfer_of

Pixels = NDArray[np.uint8]
Matrix = tuple[tuple[float, float, float], ...]

FROM_XYZ: Matrix = (
    (3.134112153323845, -1.6173924595518705, -0.49063340456472027),
    (-0.9787872961391832, 1.9162795864266209, 0.03345471423138195),
    (0.07198304438569493, -0.22898585024754495, 1.4053851315844992),
)
"""D50 XYZ to linear sRGB: the exact inverse of `SRGB_COLORANTS` / 65536, as the nearest doubles."""

SRGB_COLORANTS = ((28578, 25241, 9376), (14581, 46981, 3972), (912, 6362, 46799))
"""rXYZ, gXYZ, bXYZ of the standard sRGB profile as columns, s15Fixed16 (D50)."""

SAME_COLORANT = 0.003
"""Largest difference of a coordinate at which a profile's primaries are taken for sRGB's."""

_CHUNK = 1 << 16  # pixels at a time: about 10 MB of doubles, whatever the photo's size
_MAX_TAGS = 1000
PQ, HLG = 16, 18  # transfer characteristics, ITU-T H.273


@dataclass(frozen=True, eq=False)
class Shaper:
    """An RGB profile as three curves and a matrix, ready to convert pixels.

    Attributes:
        linear: Linear light of every 8-bit value, (3, 256).
        matrix: Linear profile RGB to linear sRGB, M above.
    """

    linear: Table = field(repr=False)
    matrix: Matrix

    def convert(self, pixels: Pixels) -> Pixels:
        """Profile RGB to sRGB, (..., 3) -> (..., 3), a new array."""
        flat = pixels.reshape(-1, 3)
        out = np.empty_like(flat)
        encode = encode_table()
        # M[i][j] * lin[j][v] for every v: the products of step 2, taken before the pixels are seen.
        products = [[m * self.linear[j] for j, m in enumerate(row)] for row in self.matrix]
        for start in range(0, len(flat), _CHUNK):
            part = flat[start : start + _CHUNK]
            r, g, b = (np.ascontiguousarray(part[:, c]) for c in range(3))
            for i, (red, green, blue) in enumerate(products):
                y = (red[r] + green[g]) + blue[b]
                out[start : start + _CHUNK, i] = encode[_index(y)]
        return out.reshape(pixels.shape)


@dataclass(frozen=True, eq=False)
class GrayCurve:
    """A gray profile as one table.

    Attributes:
        table: sRGB value of every 8-bit gray value, (256,).
    """

    table: Pixels = field(repr=False)


@dataclass(frozen=True)
class Profile:
    """What an embedded profile asks for.

    Attributes:
        space: Colour space of the pixels it describes.
        transfer: ``"PQ"`` or ``"HLG"`` for high dynamic range, which is refused; else ``"SDR"``.
        conversion: How to reach sRGB: None (it is sRGB already), a `Shaper`, a `GrayCurve`, or
            ``"lut"``: tables that only a colour management module applies.
    """

    space: Literal["RGB", "GRAY", "CMYK"]
    transfer: Transfer
    conversion: Shaper | GrayCurve | Literal["lut"] | None


def parse_profile(data: bytes) -> Profile:
    """Read an ICC profile, untrusted.

    Raises:
        ProfileError: If it is damaged, or describes no photo (another colour space or class).
    """
    tags = _tags(data)
    space = {b"RGB ": "RGB", b"GRAY": "GRAY", b"CMYK": "CMYK"}.get(data[16:20])
    transfer = _transfer(data, tags, "k" if space == "GRAY" else "rgb")
    if space == "CMYK":
        if "A2B0" not in tags:
            raise ProfileError("a CMYK profile without a table")
        return Profile("CMYK", transfer, "lut")
    if space == "GRAY":
        if "kTRC" not in tags:
            raise ProfileError("a gray profile without a curve")
        linear = read_curve(data, *tags["kTRC"])
        return Profile("GRAY", transfer, GrayCurve(encode_table()[_index(linear)]))
    if space != "RGB":
        raise ProfileError(f"a profile for {data[16:20]!r} pixels")
    if transfer != "SDR" or any(name in tags for name in ("A2B0", "A2B1")):
        return Profile("RGB", transfer, "lut")
    shaper = _shaper(data, tags)
    return Profile("RGB", transfer, shaper)


@functools.cache
def encode_table() -> Pixels:
    """`ENCODE` of step 3: the sRGB value of linear light k / 65535, (65536,)."""
    table = bytearray(65536)
    for k in range(65536):
        u = k / 65535
        e = 12.92 * u if u <= 0.0031308 else 1.055 * math.pow(u, 1 / 2.4) - 0.055
        table[k] = math.floor(255 * e + 0.5)
    return np.frombuffer(bytes(table), dtype=np.uint8)


@functools.cache
def linear_table() -> Table:
    """Linear light of every sRGB value, (256,), as the middle of what `ENCODE` makes it of."""
    values = np.arange(65536) / 65535
    sums = np.bincount(encode_table(), weights=values, minlength=256)
    counts = np.bincount(encode_table(), minlength=256)
    table: Table = sums / counts
    return table


def _index(y: Table) -> NDArray[np.uint16]:
    """Step 3's position in `ENCODE`. Truncation is floor here: nothing is negative."""
    np.clip(y, 0.0, 1.0, out=y)
    return (y * 65535.0 + 0.5).astype(np.uint16)


def _tags(data: bytes) -> dict[str, tuple[int, int]]:
    """Tag name -> offset and size, all inside the profile."""
    if len(data) < 132 or data[36:40] != b"acsp":
        raise ProfileError("no ICC header")
    (count,) = struct.unpack_from(">I", data, 128)
    if count > _MAX_TAGS or 132 + 12 * count > len(data):
        raise ProfileError("its tag table is cut off")
    tags = {}
    for index in range(count):
        name, offset, size = struct.unpack_from(">4sII", data, 132 + 12 * index)
        if offset + size > len(data):
            raise ProfileError(f"tag {name!r} lies outside the profile")
        tags[name.decode("latin-1")] = (offset, size)
    return tags


def _transfer(data: bytes, tags: dict[str, tuple[int, int]], channels: str) -> Transfer:
    """High dynamic range by the `cicp` tag (ICC.1:2022, 9.2.17) or, without one, by the curves."""
    if "cicp" in tags:
        offset, size = tags["cicp"]
        if size >= 12 and data[offset : offset + 4] == b"cicp":
            code = data[offset + 9]
            return "PQ" if code == PQ else "HLG" if code == HLG else "SDR"
    found: set[Transfer] = set()
    for channel in channels:
        try:
            found.add(transfer_of(read_curve(data, *tags[f"{channel}TRC"])))
        except (KeyError, ProfileError):
            return "SDR"
    return found.pop() if len(found) == 1 else "SDR"


def _shaper(data: bytes, tags: dict[str, tuple[int, int]]) -> Shaper | None:
    missing = [n for c in "rgb" for n in (f"{c}XYZ", f"{c}TRC") if n not in tags]
    if missing:
        raise ProfileError(f"no {missing[0]} tag")
    if data[20:24] != b"XYZ ":
        raise ProfileError("colorants in another space than XYZ")
    columns = [_xyz(data, *tags[f"{c}XYZ"]) for c in "rgb"]
    linear = np.stack([read_curve(data, *tags[f"{c}TRC"]) for c in "rgb"])
    return shaper_of(columns, linear)


def shaper_of(columns: Sequence[tuple[int, int, int]], linear: Table) -> Shaper | None:
    """Steps 1 and 2 from the numbers of a profile; None where it is sRGB already.

    Args:
        columns: rXYZ, gXYZ, bXYZ, s15Fixed16, D50.
        linear: Linear light of every 8-bit value, (3, 256).

    Raises:
        ProfileError: If the colorants do not add up to white.
    """
    colorants = [[column[k] / 65536 for column in columns] for k in range(3)]  # P, rows X Y Z
    if not 0.9 <= sum(colorants[1]) <= 1.1:
        raise ProfileError("its colorants do not add up to white")
    if _is_srgb(colorants, linear):
        return None
    matrix: list[tuple[float, float, float]] = []
    for c in FROM_XYZ:
        row = [
            (c[0] * colorants[0][j] + c[1] * colorants[1][j]) + c[2] * colorants[2][j]
            for j in range(3)
        ]
        matrix.append((row[0], row[1], row[2]))
    return Shaper(linear, tuple(matrix))


def _is_srgb(colorants: list[list[float]], linear: Table) -> bool:
    near = all(
        abs(colorants[k][j] - SRGB_COLORANTS[k][j] / 65536) <= SAME_COLORANT
        for k in range(3)
        for j in range(3)
    )
    encoded = encode_table()[_index(linear.copy())].astype(np.int16)
    return near and bool((np.abs(encoded - np.arange(256)) <= 1).all())


def _xyz(data: bytes, offset: int, size: int) -> tuple[int, int, int]:
    if size < 20 or data[offset : offset + 4] != b"XYZ ":
        raise ProfileError("a colorant that is no XYZ value")
    x, y, z = struct.unpack_from(">iii", data, offset + 8)
    return x, y, z
