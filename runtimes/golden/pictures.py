"""The golden photos: rendered here, or cut from photos that scikit-image ships free of copyright.

`python runtimes/golden/generate.py --images` writes them again; everything else only reads them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from profiles import ADOBE_RGB, DISPLAY_P3, SRGB_CURVE, curv, gray_profile, para, rgb_profile

Array = NDArray[np.uint8]

LICENCES = {
    "chelsea": "chelsea from scikit-image: CC0, by Stefan van der Walt",
    "astronaut": "astronaut from scikit-image: NASA, public domain",
    "rocket": "rocket from scikit-image: SpaceX, public domain",
    "coffee": "coffee from scikit-image: CC0, by Rachel Michetti",
    "camera": "camera from scikit-image: CC0, by Lav Varshney",
    "rendered": "rendered by runtimes/golden/pictures.py, CC0",
}


def _photo(name: str) -> Image.Image:
    import skimage.data

    return Image.fromarray(getattr(skimage.data, name)())


def waves(width: int, height: int) -> Array:
    """Colour waves of rising frequency: no two neighbours alike, and aliasing would show."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / max(width, 2), y / max(height, 2)
    bands = [
        np.sin(40 * u * u + 3 * v),
        np.cos(55 * v * v + 5 * u),
        np.sin(30 * (u - 0.5) ** 2 + 30 * (v - 0.5) ** 2),
    ]
    return np.stack([np.rint(127.5 + 127.5 * b) for b in bands], axis=-1).astype(np.uint8)


def noise(width: int, height: int, seed: int = 7) -> Array:
    """Uniform noise: every rounding of the resize is hit."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _rgba(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    alpha = (x * 256 // width).astype(np.uint8)
    alpha[y < height // 5] = 0
    return Image.fromarray(np.dstack([waves(width, height), alpha]))


def _gray16() -> Image.Image:
    y, x = np.mgrid[0:54, 0:75]
    return Image.fromarray(((x * 871 + y * 487) % 65536).astype(np.uint16))


def _palette(width: int, height: int) -> Image.Image:
    image = Image.fromarray(waves(width, height)).quantize(23)
    image.info["transparency"] = bytes([255, 0, 128] + [255] * 20)
    return image


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced_png(pixels: Array) -> bytes:
    """An Adam7 PNG, which Pillow reads but does not write."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    passes.append((0, 1, 1, 2))
    rows = b"".join(
        b"\0" + row.tobytes() for x, y, dx, dy in passes for row in pixels[y::dy, x::dx] if row.size
    )
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


P3 = rgb_profile(DISPLAY_P3, para(*SRGB_CURVE), "Display P3, golden")
ADOBE = rgb_profile(ADOBE_RGB, curv(563), "Adobe RGB primaries, gamma 2.2, golden")
SAMPLED = rgb_profile(
    DISPLAY_P3, curv(*[round(65535 * (i / 32) ** 1.8) for i in range(33)]), "33 samples, golden"
)
GRAY = gray_profile(curv(round(1.8 * 256)), "Gray gamma 1.8, golden")

Save = Callable[[Path], None]


def _interlaced(path: Path) -> None:
    path.write_bytes(interlaced_png(waves(93, 67)))


def _png(image: Image.Image | Array, **options: object) -> Save:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return lambda path: picture.save(path, "PNG", optimize=True, **options)


def _jpeg(image: Image.Image, **options: object) -> Save:
    return lambda path: image.save(path, "JPEG", **{"quality": 88, **options})


def pictures() -> dict[str, tuple[str, str, Save]]:
    """File name -> what it is for, where it is from, how to write it."""
    cat = _photo("chelsea").crop((60, 40, 291, 194))  # 231 x 154
    face = _photo("astronaut").crop((140, 0, 291, 213))  # 151 x 213
    cup = _photo("coffee").resize((120, 80), Image.Resampling.BICUBIC)
    small = _photo("chelsea").crop((100, 60, 344, 222)).resize((122, 81), Image.Resampling.BICUBIC)
    camera = _photo("camera")
    mode_l = camera.crop((170, 60, 299, 157))  # 129 x 97
    made = "rendered"
    table: dict[str, tuple[str, str, Save]] = {
        "photo.png": ("non-square, odd sizes", "chelsea", _png(cat)),
        "portrait.png": ("taller than wide", "astronaut", _png(face)),
        "large.png": ("downscaled", "rocket", _png(_photo("rocket"))),
        "noise.png": ("every rounding of the resize", made, _png(noise(83, 61))),
        "tiny.png": ("upscaled", made, _png(waves(7, 5))),
        "pixel.png": ("1 x 1", made, _png(noise(1, 1))),
        "one_wide.png": ("1 x N", made, _png(noise(1, 97))),
        "one_high.png": ("N x 1", made, _png(noise(97, 1))),
        "wide.png": ("extreme aspect", made, _png(waves(640, 11))),
        "tall.png": ("extreme aspect", made, _png(waves(13, 590))),
        "long.png": ("so long that views are resized apart", made, _png(waves(6000, 3))),
        "alpha.png": ("alpha over white", made, _png(_rgba(133, 90))),
        "alpha_p3.png": ("alpha and a profile", made, _png(_rgba(71, 53), icc_profile=P3)),
        "gray.png": ("gray", "camera", _png(mode_l)),
        "gray_alpha.png": ("gray with alpha", made, _png(_rgba(75, 50).convert("LA"))),
        "gray16.png": ("16-bit gray", made, _png(_gray16())),
        "gray_key.png": ("gray with one transparent value", "camera", _png(mode_l, transparency=0)),
        "gray_profile.png": ("gray profile", "camera", _png(mode_l, icc_profile=GRAY)),
        "bits.png": ("1 bit a pixel", "camera", _png(mode_l.convert("1"))),
        "palette.png": ("palette with alpha", made, _png(_palette(120, 77))),
        "interlaced.png": ("Adam7", made, _interlaced),
        "display_p3.png": ("Display P3", "coffee", _png(cup, icc_profile=P3)),
        "adobe_rgb.png": ("Adobe RGB, gamma curve", "coffee", _png(cup, icc_profile=ADOBE)),
        "sampled_curve.png": ("sampled curve", made, _png(noise(60, 41, 9), icc_profile=SAMPLED)),
        "damaged_profile.png": ("taken as sRGB", made, _png(waves(64, 45), icc_profile=P3[:200])),
        "turned.png": ("EXIF orientation 6 in a PNG", made, _png(waves(90, 60), exif=_exif(6))),
        "j_444.jpg": ("4:4:4", "chelsea", _jpeg(small, subsampling=0)),
        "j_420.jpg": ("4:2:0", "chelsea", _jpeg(small, subsampling=2)),
        "j_422.jpg": ("4:2:2", "chelsea", _jpeg(small, subsampling=1)),
        "j_progressive.jpg": ("progressive", "chelsea", _jpeg(small, progressive=True)),
        "j_low.jpg": ("quality 20", "chelsea", _jpeg(small, quality=20)),
        "j_gray.jpg": ("gray", "chelsea", _jpeg(small.convert("L"))),
        "j_cmyk.jpg": ("CMYK", "chelsea", _jpeg(small.convert("CMYK"))),
        "j_p3.jpg": ("Display P3", "coffee", _jpeg(cup, icc_profile=P3)),
    }  # fmt: skip
    for turn in range(2, 9):
        table[f"j_turn{turn}.jpg"] = (
            f"EXIF orientation {turn}", "coffee", _jpeg(cup, exif=_exif(turn)),
        )  # fmt: skip
    return table
