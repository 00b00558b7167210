"""Any mode Pillow decodes to -> sRGB: gray, palette, alpha over white, CMYK, 16 bits, profiles.

The arithmetic (repeated in docs/pixels.md): a 16-bit value is cut to its high byte; an embedded
profile is applied by `ralikit.photo.icc` where it is curves and a matrix, and by Pillow's ImageCms
(lcms2, relative colorimetric with black-point compensation) where it is a table; CMYK without a
profile is ``255 - min(255, ...)`` as Pillow does it; alpha is laid over white after that, in sRGB:
``t = c * a + 255 * (255 - a) + 128``, ``(t + (t >> 8)) >> 8``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageCms

from ralikit.errors import PhotoError
from ralikit.photo.cicp import Coded, hdr
from ralikit.photo.curves import ProfileError, transfer_of
from ralikit.photo.icc import GrayCurve, Shaper, linear_table, parse_profile

_GRAY = frozenset({"1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"})
_DAMAGED = "its colour profile is damaged and was left out: the pixels were taken as sRGB"
_MISFIT = "its colour profile is for another kind of pixels and was left out"

Conversion = Shaper | GrayCurve | ImageCms.ImageCmsTransform


@dataclass(frozen=True, eq=False)
class Colour:
    """How one photo's pixels become sRGB.

    Attributes:
        conversion: What its profile asks for; None: nothing.
        shift: Bits a wide gray value is shifted right: 8, or 4 in a 12-bit TIFF.
        key: The pixel value that stands for transparent, on the pixels' own scale; None: none.
        notes: What a user should know about it.
    """

    conversion: Conversion | None = None
    shift: int = 8
    key: tuple[int, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    def to_srgb(self, image: Image.Image) -> Image.Image:
        """Convert a photo or a piece of it to an ``"RGB"`` image in sRGB, opaque."""
        base, alpha = self._split(image)
        if base.mode == "L" and isinstance(self.conversion, GrayCurve):
            base = base.point(self.conversion.table.tolist())
        elif isinstance(self.conversion, Shaper):
            pixels = self.conversion.convert(np.asarray(base.convert("RGB")))
            base = Image.fromarray(pixels)
        elif isinstance(self.conversion, ImageCms.ImageCmsTransform):
            wanted = "CMYK" if base.mode == "CMYK" else "RGB"
            base = ImageCms.applyTransform(base.convert(wanted), self.conversion) or base
        if base.mode != "RGB":
            base = base.convert("RGB")
        if alpha is None:
            return base
        white = Image.new("RGB", base.size, "white")
        white.paste(base, mask=alpha)
        return white

    def _split(self, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
        """Colour (``"L"``, ``"RGB"`` or ``"CMYK"``, 8 bits) and opacity, None where all is."""
        mode = image.mode
        if mode in {"La", "RGBa"}:
            image = image.convert({"La": "LA", "RGBa": "RGBA"}[mode])
        elif mode == "PA" or (mode == "P" and image.has_transparency_data):
            image = image.convert("RGBA")
        elif mode in {"P", "YCbCr", "RGBX"}:
            image = image.convert("RGB")
        elif mode.startswith("I;16"):
            wide = np.asarray(image)
            alpha = self._opaque(wide[..., None])
            return Image.fromarray((wide >> self.shift).astype(np.uint8)), alpha
        elif mode == "1":
            image = image.convert("L")
        if image.mode in {"LA", "RGBA"}:
            *_, alpha = image.split()
            return image.convert("L" if image.mode == "LA" else "RGB"), alpha
        if self.key is None:
            return image, None
        return image, self._opaque(np.atleast_3d(np.asarray(image)))

    def _opaque(
        self, pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
    ) -> Image.Image | None:
        if self.key is None:
            return None
        clear = (pixels == np.array(self.key, dtype=np.int64)).all(axis=-1)
        return Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))


def colour_of(
    image: Image.Image, *, depth: int | None = None, coded: Coded | None = None
) -> Colour:
    """Find out how a photo's pixels become sRGB.

    Args:
        image: The opened photo; its pixels need not be loaded.
        depth: Bits of a sample in the file, where known (PNG, TIFF).
        coded: What a PNG's ``cICP`` block says, which goes before a profile.

    Raises:
        PhotoError: If its mode is none a photo has, or its profile is high dynamic range; the
            message lacks the photo's name.
    """
    mode = image.mode
    if mode not in _GRAY | _COLOUR | {"CMYK"}:
        kinds = {"F": "floating-point", "I": "32-bit integer", "LAB": "CIELAB"}
        raise PhotoError(
            f"has {kinds.get(mode, mode)} pixels, expected 8 or 16 bits of gray, RGB or CMYK"
        )
    conversion, notes = _conversion(image, coded)
    shift = 8
    if mode.startswith("I;16") and depth is not None and 8 < depth < 16:
        shift = depth - 8
    return Colour(conversion, shift, _key(image, depth), notes)


def _conversion(
    image: Image.Image, coded: Coded | None
) -> tuple[Conversion | None, tuple[str, ...]]:
    data = image.info.get("icc_profile")
    box = _nclx(image)
    if box is not None:
        box.refuse_hdr()
    if coded is None and not data:
        coded = box
    if coded is not None and image.mode != "CMYK":
        coded.refuse_hdr()
        return coded.conversion()
    if not data:
        return None, ()
    if not isinstance(data, bytes):
        return None, (_DAMAGED,)
    try:
        profile = parse_profile(data)
    except ProfileError:
        return None, (_DAMAGED,)
    if profile.transfer != "SDR":
        raise PhotoError(hdr(profile.transfer))
    spaces = {"GRAY": _GRAY, "RGB": _GRAY | _COLOUR, "CMYK": {"CMYK"}}
    if image.mode not in spaces[profile.space]:
        return None, (_MISFIT,)
    if profile.conversion != "lut":
        return profile.conversion, ()
    try:
        transform = _table_transform(data, profile.space)
        kind = _course(transform) if profile.space == "RGB" else "SDR"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, (_DAMAGED,)
    if kind != "SDR":
        raise PhotoError(hdr(kind))
    return transform, ()


def _nclx(image: Image.Image) -> Coded | None:
    """What a HEIC's nclx box says."""
    box = image.info.get("nclx_profile")
    if not isinstance(box, dict):
        return None
    # The decoder has spread narrow values already.
    return Coded(int(box.get("color_primaries", 2)), int(box.get("transfer_characteristics", 2)))


def _course(transform: ImageCms.ImageCmsTransform) -> str:
    """Whether tables lead gray along PQ or HLG: such profiles need not say so in words."""
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1))
    through = np.asarray(ImageCms.applyTransform(ramp, transform) or ramp)
    return transfer_of(linear_table()[through[0, :, 1]])


def _table_transform(data: bytes, space: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(data)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        space,
        "RGB",
        intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _key(image: Image.Image, depth: int | None) -> tuple[int, ...] | None:
    """The transparent colour of a PNG without alpha, on the scale Pillow decodes to."""
    value = image.info.get("transparency")
    if isinstance(value, int) and image.mode in {"1", "L"}:
        # Fewer than 8 bits are spread over 0..255 by the decoder.
        return (value * (255 // ((1 << depth) - 1)) if depth in (1, 2, 4) else value,)
    if isinstance(value, int) and image.mode.startswith("I;16"):
        return (value,)
    if isinstance(value, tuple) and len(value) == 3 and image.mode == "RGB":
        # 16-bit colours are decoded to their high bytes, and so is the key.
        return tuple(int(v) >> 8 if depth == 16 else int(v) for v in value)
    return None
