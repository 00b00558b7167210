"""TIFF: which layouts Pillow reads right, which are read sample by sample here, which are refused.

Pillow goes by a table of layouts. Some of what it opens comes out wrong without a word (16-bit
white-is-zero as its negative; separate planes of 16 bits, or of gray with alpha, as noise; signed
samples as unsigned), and some plain layouts it does not know (16-bit gray with alpha). Those are
read here: every plane, or every row of interleaved samples, is handed to Pillow as a gray TIFF of
its own, so that unpacking stays Pillow's. `tests/photo/test_tiff.py` holds the whole table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from ralikit.errors import PhotoError
from ralikit.photo.headers import check_size

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF and a BigTIFF file, in both byte orders."""

_RAW, _JPEG = 1, (6, 7)  # compressions
_LOSSLESS = frozenset({_RAW, 5, 8, 32773, 32946, 34925, 50000})
_WHITE, _GRAY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6  # photometric interpretations
_COLOURS = {_WHITE: 1, _GRAY: 1, _RGB: 3, _CMYK: 4}
_NAMES = {_WHITE: "gray", _GRAY: "gray", _RGB: "RGB", _PALETTE: "palette", 4: "mask"}
_NAMES |= {_CMYK: "CMYK", _YCBCR: "YCbCr", 8: "CIELAB", 32803: "sensor", 34892: "linear raw"}
_SIGNED, _FLOAT = 2, 3  # sample formats
_ASSOCIATED, _STRAIGHT = 1, 2  # kinds of extra samples that are opacity
_MAX_SAMPLES = 8

Samples = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a TIFF's first picture lies in its file.

    Attributes:
        prefix: Byte order, ``b"II"`` or ``b"MM"``.
        width: Stored columns.
        height: Stored rows.
        photometric: Photometric interpretation.
        bits: Bits of every sample.
        kind: Sample format: 1 unsigned, 2 signed, 3 floating point.
        extras: What the samples beyond the colours are.
        planar: Whether every sample is said to have a plane of its own.
        compression: Number of the compression.
        reversed_bits: Whether bytes begin with their lowest bit.
    """

    prefix: bytes
    width: int
    height: int
    photometric: int
    bits: tuple[int, ...]
    kind: int
    extras: tuple[int, ...]
    planar: bool
    compression: int
    reversed_bits: bool

    @property
    def misread(self) -> bool:
        """Whether Pillow opens it and gives wrong pixels, or fails while loading."""
        wide = max(self.bits) > 8
        if self.photometric == _WHITE and wide:
            return True
        if not self.planar:
            return False
        if len(self.bits) == 1:
            # Of an uncompressed plane Pillow heeds only the first letter of how it is packed.
            plain = self.bits == (8,) and self.photometric != _WHITE and not self.reversed_bits
            return self.compression == _RAW and not plain
        if self.photometric not in (_RGB, _CMYK, _YCBCR) or self.compression in _JPEG:
            return True
        if any(extra in (0, _ASSOCIATED) for extra in self.extras):
            return True
        return self.compression == _RAW and (wide or self.photometric == _YCBCR)

    @property
    def readable(self) -> bool:
        """Whether `read_samples` can read it."""
        colours = _COLOURS.get(self.photometric, 0)
        alpha = [extra for extra in self.extras if extra]
        return (
            colours > 0
            and colours + len(self.extras) == len(self.bits) <= _MAX_SAMPLES
            and (set(self.bits) in ({8}, {16}) or self.bits in ((1,), (2,), (4,), (12,)))
            and all(extra in (_ASSOCIATED, _STRAIGHT) for extra in alpha)
            and len(alpha) <= (self.photometric != _CMYK)
            and self.compression in _LOSSLESS
            and not self.reversed_bits
        )

    @property
    def words(self) -> str:
        """The layout as a person would say it."""
        bits = "/".join(str(b) for b in sorted(set(self.bits)))
        kind = _NAMES.get(self.photometric, f"photometric {self.photometric}")
        extra = f" and {len(self.extras)} more" if self.extras else ""
        return (
            f"{bits}-bit {kind} of {len(self.bits) - len(self.extras)} samples{extra}"
            f"{', in separate planes' if self.planar else ''}, compression {self.compression}"
        )


def open_tiff(stream: IO[bytes], source: str) -> Image.Image | None:
    """Read a TIFF that Pillow would read wrong or not at all.

    Returns:
        The photo, 8 bits a sample, with profile and orientation; None: Pillow reads it right.

    Raises:
        PhotoError: If its layout is none that is read; one sentence.
    """
    tags = _tags(stream)
    layout = None if tags is None or _raw_file(tags, stream) else _layout(tags)
    if tags is None or layout is None:
        return None
    _refuse(layout, tags, source)
    if not layout.misread and _pillow_opens(stream):
        return None
    check_size((layout.width, layout.height), source)
    if not layout.readable:
        raise PhotoError(
            f"{source}: is a TIFF of a layout that is not read ({layout.words}); save it as "
            "8-bit RGB"
        )
    image = _picture(read_samples(stream, tags, layout), layout)
    for tag, name in ((34675, "icc_profile"), (700, "xmp")):
        if isinstance(tags.get(tag), bytes):
            image.info[name] = tags[tag]
    turn = tags.get(274)
    if isinstance(turn, int) and 1 <= turn <= 8:
        image.getexif()[274] = turn
    return image


def read_samples(stream: IO[bytes], tags: Any, layout: Layout) -> Samples:
    """All samples of a picture, (H, W, samples), the high byte of wide ones.

    Raises:
        OSError, SyntaxError, ValueError: If it is damaged or cut off.
    """
    count = len(layout.bits)
    chunks = _chunks(stream, tags)
    if not layout.planar:
        return _interleaved(chunks, tags, layout)
    if len(chunks) % count:
        raise ValueError("its planes are cut off")
    each = len(chunks) // count
    planes = [
        _gray(chunks[c * each : (c + 1) * each], tags, layout, samples=1) for c in range(count)
    ]
    return np.stack([_high(plane, layout) for plane in planes], axis=-1)


def _interleaved(chunks: list[bytes], tags: Any, layout: Layout) -> Samples:
    count = len(layout.bits)
    flat = _gray(chunks, tags, layout, samples=count)
    pixels = flat.reshape(layout.height, layout.width, count)
    if count > 1 and tags.get(317, 1) == 2:
        # Differences of neighbours of one sample: Pillow was told that there is no predictor.
        tile = tags.get(322, layout.width)
        parts = [pixels[:, x : x + tile] for x in range(0, layout.width, tile)]
        sums = [np.cumsum(part, axis=1, dtype=pixels.dtype) for part in parts]
        pixels = np.concatenate(sums, axis=1)
    return _high(pixels, layout)


def _high(pixels: NDArray[Any], layout: Layout) -> Samples:
    # Fewer than 8 bits were spread over 0..255 by Pillow.
    return (pixels >> max(layout.bits[0] - 8, 0)).astype(np.uint8)


def _gray(chunks: list[bytes], tags: Any, layout: Layout, *, samples: int) -> NDArray[Any]:
    """Strips or tiles of `samples` interleaved samples, as gray `samples` times as wide."""
    predictor = tags.get(317, 1) if samples == 1 else 1
    bits, width = layout.bits[0], layout.width * samples
    fields = {256: width, 257: layout.height, 258: bits, 259: layout.compression, 262: 1}
    fields |= {277: 1, 317: predictor}
    if 322 in tags:
        fields |= {322: tags[322] * samples, 323: tags[323]}
    else:
        fields[278] = min(tags.get(278, layout.height), layout.height)
    made = _single(layout.prefix if bits != 12 else b"II", fields, chunks)
    with Image.open(BytesIO(made), formats=("TIFF",)) as image:
        return np.asarray(image.convert("L") if image.mode == "1" else image)


def _single(prefix: bytes, fields: dict[int, int], chunks: list[bytes]) -> bytes:
    """A TIFF of one gray picture, all its numbers 32 bits wide."""
    order = "<" if prefix == b"II" else ">"
    offsets, counts = (324, 325) if 322 in fields else (273, 279)
    body = 8 + 2 + 12 * (len(fields) + 2) + 4
    lists = 8 * len(chunks) if len(chunks) > 1 else 0
    starts, at = [], body + lists
    for chunk in chunks:
        starts.append(at)
        at += len(chunk)
    sizes = [len(chunk) for chunk in chunks]
    entries: dict[int, bytes] = {
        tag: struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in fields.items()
    }
    for tag, values, offset in ((offsets, starts, body), (counts, sizes, body + lists // 2)):
        one = values[0] if len(values) == 1 else offset
        entries[tag] = struct.pack(f"{order}HHII", tag, 4, len(values), one)
    head = prefix + struct.pack(f"{order}HIH", 42, 8, len(entries))
    table = b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    numbers = starts + sizes if lists else []
    return b"".join([head, table, struct.pack(f"{order}{len(numbers)}I", *numbers), *chunks])


def _chunks(stream: IO[bytes], tags: Any) -> list[bytes]:
    """The strips or tiles as they lie in the file."""
    offsets, counts = tags.get(324, tags.get(273)), tags.get(325, tags.get(279))
    if offsets is None or counts is None or len(offsets) != len(counts):
        raise ValueError("its table of strips is damaged")
    size = stream.seek(0, 2)
    if sum(counts) > size:
        raise EOFError("its strips are cut off")
    chunks = []
    for offset, count in zip(offsets, counts, strict=True):
        stream.seek(offset)
        chunks.append(stream.read(count))
        if len(chunks[-1]) < count:
            raise EOFError("its strips are cut off")
    return chunks


def _picture(samples: Samples, layout: Layout) -> Image.Image:
    """Samples as an image of a mode that `ralikit.photo.colour` knows."""
    colours = _COLOURS[layout.photometric]
    if layout.photometric == _WHITE:
        samples = samples.copy()
        samples[..., :1] = 255 - samples[..., :1]
    bands = [Image.fromarray(np.ascontiguousarray(samples[..., c])) for c in range(colours)]
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[colours]
    for index, extra in enumerate(layout.extras):
        if extra in (_ASSOCIATED, _STRAIGHT):
            bands.append(Image.fromarray(np.ascontiguousarray(samples[..., colours + index])))
            mode += "a" if extra == _ASSOCIATED else "A"
    return bands[0] if mode == "L" else Image.merge(mode, bands)


def _refuse(layout: Layout, tags: Any, source: str) -> None:
    """Refuse what Pillow would open and show wrong, and what nobody can show."""
    expected = "expected 8 or 16 bits of gray, RGB or CMYK"
    if layout.kind == _SIGNED and max(layout.bits) <= 16:
        raise PhotoError(f"{source}: has signed samples, {expected}")
    if layout.kind == _FLOAT:
        raise PhotoError(f"{source}: has floating-point pixels, {expected}")
    if max(layout.bits) == 32:
        raise PhotoError(f"{source}: has 32-bit integer pixels, {expected}")
    if layout.photometric == _CMYK and tags.get(332, 1) != 1:
        raise PhotoError(f"{source}: has inks other than CMYK, which are not scored")
    if len(layout.bits) > _MAX_SAMPLES:
        raise PhotoError(f"{source}: has {len(layout.bits)} samples a pixel, {expected}")
    if layout.photometric == _YCBCR and layout.compression in _LOSSLESS:
        counts = tags.get(279, tags.get(325, ()))
        whole = 3 * layout.width * layout.height
        if layout.compression == _RAW and sum(counts) < whole and not layout.planar:
            raise PhotoError(
                f"{source}: has subsampled YCbCr pixels without compression, which are not read; "
                "save it as RGB"
            )


def _layout(tags: Any) -> Layout | None:
    bits = tags.get(258, (1,))
    compression = tags.get(259, 1)
    photometric = tags.get(262, 0)
    count = tags.get(277, 1)
    kinds = tags.get(339, (1,))
    extras = tags.get(338, ())
    numbers = (compression, photometric, count, tags.get(256), tags.get(257))
    if not all(isinstance(n, int) for n in numbers) or not bits:
        return None
    if len(bits) == 1:
        bits = bits * min(count, _MAX_SAMPLES + 1)
    return Layout(
        prefix=tags.prefix,
        width=tags[256],
        height=tags[257],
        photometric=photometric,
        bits=tuple(bits[: max(count, 1)]),
        kind=max(kinds),
        extras=tuple(extras),
        planar=tags.get(284, 1) == 2,
        compression=compression,
        reversed_bits=tags.get(266, 1) == 2,
    )


def _tags(stream: IO[bytes]) -> Any:
    """The first directory, as Pillow reads it; None where it does not."""
    stream.seek(0)
    head = stream.read(8)
    if 43 in head[2:4]:
        head += stream.read(8)
    try:
        tags = ImageFileDirectory_v2(head)
        stream.seek(tags.next)
        tags.load(stream)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        return None
    finally:
        stream.seek(0)
    return tags


def _raw_file(tags: Any, stream: IO[bytes]) -> bool:
    """A camera's raw file is refused later, by its own sentence."""
    start = stream.read(16)
    stream.seek(0)
    return 50706 in tags or tags.get(254, 0) == 1 or start[8:10] == b"CR"


def _pillow_opens(stream: IO[bytes]) -> bool:
    try:
        Image.open(stream, formats=("TIFF",))
    except OSError:
        return False
    finally:
        stream.seek(0)
    return True
