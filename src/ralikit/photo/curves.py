"""Tone curves of colour profiles: linear light of every 8-bit value, and which of them are HDR."""

from __future__ import annotations

import math
import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Transfer = Literal["SDR", "PQ", "HLG"]

SRGB_CURVE = (157286, 62119, 3417, 5072, 2651)
"""sRGB's curve as a `para` of type 3: g, a, b, c, d, each s15Fixed16."""

_SAME_CURVE = 0.01
"""Largest difference of linear light, of 0..1, at which a curve is taken for PQ or HLG."""


class ProfileError(ValueError):
    """The profile is damaged; the photo's pixels are taken as sRGB, as browsers do."""


def read_curve(data: bytes, offset: int, size: int) -> Table:
    """Linear light of every 8-bit value, (256,): step 1 of `ralikit.photo.icc`.

    Raises:
        ProfileError: If it is damaged.
    """
    kind = data[offset : offset + 4]
    if size < 12 or kind not in (b"curv", b"para"):
        raise ProfileError("a curve of an unknown kind")
    values = _sampled(data, offset, size) if kind == b"curv" else _parametric(data, offset, size)
    if not all(math.isfinite(y) for y in values):
        raise ProfileError("a curve that is not finite")
    return _rounded(values)


def srgb_curve() -> Table:
    """Linear light of every sRGB value, (256,): the curve `SRGB_CURVE`."""
    g, a, b, c, d = (p / 65536 for p in SRGB_CURVE)
    return _rounded([_parametric_at(v / 255, 3, g, a, b, c, d, 0.0, 0.0) for v in range(256)])


def power_curve(exponent: float) -> Table:
    """Linear light of every value under a plain power, (256,)."""
    return _rounded([math.pow(v / 255, exponent) for v in range(256)])


def transfer_of(linear: Table) -> Transfer:
    """Whether a curve is one of high dynamic range: PQ or HLG, by its course alone.

    Args:
        linear: Linear light of every 8-bit value, (256,), 1 the most there is.
    """
    for name, wanted in (("PQ", _pq()), ("HLG", _hlg())):
        if float(np.abs(linear - wanted).max()) <= _SAME_CURVE:
            return "PQ" if name == "PQ" else "HLG"
    return "SDR"


def _pq() -> Table:
    """SMPTE ST 2084, 1 being 10,000 cd/m2."""
    root = (np.arange(256) / 255) ** (32 / 2523)
    ratio = np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    light: Table = ratio ** (16384 / 2610)
    return light


def _hlg() -> Table:
    """ARIB STD-B67, scene light."""
    x = np.arange(256) / 255
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light: Table = np.where(x <= 0.5, x * x / 3, (np.exp((x - c) / a) + b) / 12)
    return light


def _rounded(values: list[float]) -> Table:
    return np.array([math.floor(min(max(y, 0.0), 1.0) * 16777216 + 0.5) / 16777216 for y in values])


def _sampled(data: bytes, offset: int, size: int) -> list[float]:
    (n,) = struct.unpack_from(">I", data, offset + 8)
    if 12 + 2 * n > size:
        raise ProfileError("a curve that is cut off")
    if n == 0:
        return [v / 255 for v in range(256)]
    t = struct.unpack_from(f">{n}H", data, offset + 12)
    if n == 1:
        return [math.pow(v / 255, t[0] / 256) for v in range(256)]
    values = []
    for v in range(256):
        i, r = divmod(v * (n - 1), 255)
        values.append((t[i] * (255 - r) + t[min(i + 1, n - 1)] * r) / 16711425)
    return values


def _parametric(data: bytes, offset: int, size: int) -> list[float]:
    (kind,) = struct.unpack_from(">H", data, offset + 8)
    count = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}.get(kind)
    if count is None or 12 + 4 * count > size:
        raise ProfileError("a parametric curve of an unknown kind")
    given = [p / 65536 for p in struct.unpack_from(f">{count}i", data, offset + 12)]
    g, a, b, c, d, e, f = given + [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][count:]
    if g <= 0:
        raise ProfileError("a curve whose exponent is not positive")
    try:
        return [_parametric_at(v / 255, kind, g, a, b, c, d, e, f) for v in range(256)]
    except OverflowError as error:
        raise ProfileError("a curve that is not finite") from error


def _parametric_at(
    x: float, kind: int, g: float, a: float, b: float, c: float, d: float, e: float, f: float
) -> float:
    if kind == 0:
        return math.pow(x, g)
    s = a * x + b
    power = math.pow(s, g) if s > 0 else 0.0
    if kind == 1:
        return power if s >= 0 else 0.0
    if kind == 2:
        return power + c if s >= 0 else c
    if kind == 3:
        return power if x >= d else c * x
    return power + e if x >= d else c * x + f
