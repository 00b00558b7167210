"""From a file's bytes to an opened picture: each kind of file, and what its structure says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ralikit.errors import MissingExtraError, PhotoError
from ralikit.extras import require
from ralikit.photo import jpeg, png, tiff
from ralikit.photo.cicp import Coded
from ralikit.photo.damage import HOLE, webp_hole
from ralikit.photo.formats import KINDS
from ralikit.photo.headers import check_size, tiff_bits

# Naming the plugins keeps Pillow from importing all of its forty to find out about one file.
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
)
_FORMATS = tuple(plugin.format for plugin in _PLUGINS)
_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF = frozenset({b"avif", b"avis"})


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A picture whose pixels are not decoded yet.

    Attributes:
        image: As Pillow opened it.
        depth: Bits of a sample, where known (PNG, TIFF).
        coded: Colour by numbers that goes before a profile (PNG).
        stream: The file; None for what came as an image.
        upwards: Whether the file's first row is the picture's last.
        notes: What a user should know about the file.
    """

    image: Image.Image
    depth: int | None = None
    coded: Coded | None = None
    stream: IO[bytes] | None = None
    upwards: bool = False
    notes: tuple[str, ...] = ()


def open_file(stream: IO[bytes], start: bytes, source: str) -> Opened:
    """Open a picture's file, whatever its name ends in.

    Args:
        stream: The file, at its beginning.
        start: Its first 16 bytes.
        source: Its name, printable.

    Raises:
        PhotoError: If it is of no kind that is read, or its structure is broken.
    """
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC | _AVIF:
        return _heic(stream, start, source)
    if start.startswith(png.START):
        return _png(stream, source)
    if start.startswith(jpeg.START):
        return _jpeg(stream, source)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        notes = (HOLE,) if webp_hole(stream.read()) else ()
        stream.seek(0)
        return Opened(image=_pillow(stream, source), stream=stream, notes=notes)
    if start[:4] in tiff.STARTS and (image := tiff.open_tiff(stream, source)) is not None:
        return Opened(image=image, stream=stream)
    image = _pillow(stream, source)
    upwards = image.format == "BMP" and _bottom_up(image)
    return Opened(image=image, depth=tiff_bits(image), stream=stream, upwards=upwards)


def _pillow(stream: IO[bytes], source: str) -> Image.Image:
    try:
        return Image.open(stream, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise PhotoError(f"{source}: is no photo that can be read (expected {KINDS})") from error


def _heic(stream: IO[bytes], start: bytes, source: str) -> Opened:
    if start[8:12] in _AVIF:
        raise PhotoError(f"{source}: is AVIF, which is not read (expected {KINDS})")
    try:
        require("pillow_heif", extra="heic", job="Reading HEIC photos")
    except MissingExtraError as error:
        raise PhotoError(f"{source}: {error}") from error
    from pillow_heif.as_plugin import HeifImageFile

    # Opened directly: registering the plugin would change Pillow for the whole process.
    return Opened(image=HeifImageFile(stream, source), stream=stream)


def _png(stream: IO[bytes], source: str) -> Opened:
    found = png.read_png(stream, source)
    image = _pillow(found.stream, source)
    if found.profile is not None:
        image.info["icc_profile"] = found.profile
    return Opened(
        image=image,
        depth=found.depth,
        coded=found.coded,
        stream=found.stream,
        notes=found.notes,
    )


def _jpeg(stream: IO[bytes], source: str) -> Opened:
    data = stream.read()
    stream.seek(0)
    marks = jpeg.walk(data)
    image = _pillow(stream, source)
    check_size(image.size, source)
    jpeg.refuse_endless(marks, source)
    notes: tuple[str, ...] = ()
    if not marks.ended:
        mended = jpeg.ended(data, marks)
        if mended is None:
            raise EOFError("its pixels are cut off")
        stream, notes = mended, (jpeg.NO_END,)
        image = _pillow(stream, source)
    if marks.hole:
        notes += (HOLE,)
    return Opened(image=image, stream=stream, notes=notes)


def _bottom_up(image: Image.Image) -> bool:
    """Whether a BMP's rows run upwards, as Pillow tells its own unpacker."""
    return any(tile[0] == "raw" and tuple(tile[3])[-1:] == (-1,) for tile in image.tile)  # type: ignore[attr-defined]
