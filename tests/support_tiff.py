"""TIFF files written by hand, in layouts that Pillow does not write."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_LETTERS = {3: "H", 4: "I", 7: "B"}
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773, "jpeg": 7}


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How samples are laid down in a file.

    Attributes:
        photometric: 0 white is zero, 1 gray, 2 RGB, 5 CMYK, 6 YCbCr.
        bits: Of every sample: 8, 16, or (one sample a pixel) 1, 2, 4, 12.
        order: ``"<"`` or ``">"``.
        planar: Whether each sample has a plane of its own.
        compression: A name of `COMPRESSIONS`.
        extras: What the samples beyond the colours are; None: the tag is left out.
        predictor: 1, or 2 for differences.
        tile: Edge of square tiles; None: strips.
        strip: Rows of a strip.
        tags: Further tags, number -> (type, values).
    """

    photometric: int
    bits: int = 8
    order: str = "<"
    planar: bool = False
    compression: str = "none"
    extras: tuple[int, ...] | None = None
    predictor: int = 1
    tile: int | None = None
    strip: int = 7
    tags: tuple[tuple[int, int, tuple[int, ...]], ...] = ()


def write_tiff(samples: NDArray[Any], writing: Writing) -> bytes:
    """A TIFF of samples (H, W, N), values of `writing.bits` bits."""
    height, width, count = samples.shape
    planes = [samples[..., c : c + 1] for c in range(count)] if writing.planar else [samples]
    chunks = [_chunk(part, writing) for plane in planes for part in _parts(plane, writing)]
    tags: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (writing.bits,) * count),
        259: (3, (COMPRESSIONS[writing.compression],)),
        262: (3, (writing.photometric,)),
        277: (3, (count,)),
        284: (3, (2 if writing.planar else 1,)),
        317: (3, (writing.predictor,)),
    }
    if writing.extras is not None:
        tags[338] = (3, writing.extras)
    if writing.tile is None:
        tags[278] = (4, (writing.strip,))
    else:
        tags[322], tags[323] = (4, (writing.tile,)), (4, (writing.tile,))
    tags |= {tag: (kind, values) for tag, kind, values in writing.tags}
    return _file(tags, chunks, writing)


def _parts(plane: NDArray[Any], writing: Writing) -> list[NDArray[Any]]:
    height, width, count = plane.shape
    if writing.tile is None:
        return [plane[y : y + writing.strip] for y in range(0, height, writing.strip)]
    edge, parts = writing.tile, []
    for y in range(0, height, edge):
        for x in range(0, width, edge):
            tile = np.zeros((edge, edge, count), dtype=plane.dtype)
            piece = plane[y : y + edge, x : x + edge]
            tile[: piece.shape[0], : piece.shape[1]] = piece
            parts.append(tile)
    return parts


def _chunk(part: NDArray[Any], writing: Writing) -> bytes:
    if writing.compression == "jpeg":
        stream = io.BytesIO()
        picture = Image.fromarray(part[..., 0] if part.shape[-1] == 1 else part)
        picture.save(stream, "JPEG", quality=100, subsampling=0, keep_rgb=True)
        return stream.getvalue()
    if writing.bits not in (8, 16):
        rows = [_packed(row[:, 0], writing.bits) for row in part]
        if writing.compression == "packbits":
            return b"".join(_packbits(row) for row in rows)
        return _pack(b"".join(rows), writing.compression)
    kind = np.dtype(f"{writing.order}u{writing.bits // 8}")
    values = part.astype(kind)
    if writing.predictor == 2:
        first = np.zeros_like(values[:, :1])
        values = np.diff(values.astype(np.int64), axis=1, prepend=first).astype(kind)
    rows = [row.tobytes() for row in values]
    if writing.compression == "packbits":
        return b"".join(_packbits(row) for row in rows)
    return _pack(b"".join(rows), writing.compression)


def _pack(data: bytes, compression: str) -> bytes:
    if compression == "deflate":
        return zlib.compress(data)
    if compression == "lzw":
        return _lzw(data)
    return data


def _packed(row: NDArray[Any], depth: int) -> bytes:
    bits = "".join(f"{int(v):0{depth}b}" for v in row)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _packbits(data: bytes) -> bytes:
    pieces = [data[i : i + 128] for i in range(0, len(data), 128)]
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)


def _lzw(data: bytes) -> bytes:
    """Literals alone, the table cleared before codes grow beyond nine bits."""
    codes = [256]
    for start in range(0, len(data), 200):
        codes += [*data[start : start + 200], 256]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _file(
    tags: dict[int, tuple[int, tuple[int, ...]]], chunks: list[bytes], writing: Writing
) -> bytes:
    order, sizes = writing.order, tuple(len(chunk) for chunk in chunks)
    offsets, counts = (273, 279) if writing.tile is None else (324, 325)
    tags = tags | {offsets: (4, (0,) * len(chunks)), counts: (4, sizes)}
    values_at = 8 + 2 + 12 * len(tags) + 4
    width = {3: 2, 4: 4, 7: 1}
    outside = sum(size + size % 2 for k, v in tags.values() if (size := width[k] * len(v)) > 4)
    at, starts = values_at + outside, []
    for chunk in chunks:
        starts.append(at)
        at += len(chunk)
    tags[offsets] = (4, tuple(starts))
    entries, extra = b"", b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        raw = struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(raw) > 4:
            entries += struct.pack(f"{order}I", values_at + len(extra))
            extra += raw + bytes(len(raw) % 2)
        else:
            entries += raw.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + extra + b"".join(chunks)
