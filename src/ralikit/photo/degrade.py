"""Degrade a clean photo on purpose: blur, noise, compression and darkness, the same by seed.

The four are plain functions of a strength; training draws strengths of its own from them. Named
classes with five severities each follow KADIS (Q-Insight's second task); the strengths below are
ours (the papers name classes and severities only). A photo is first brought to the size the model
will see: noise or blur put on a large photo would vanish in the reduction while its label stayed.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

CLASSES = ("noise", "compression", "blur", "darken")
"""What a photo can suffer from."""

SEVERITIES = ("slight", "moderate", "obvious", "serious", "catastrophic")
"""Their severities, weakest first."""

NO_DEGRADATION = "null"
"""Class and severity of a clean photo."""

NOISE_SIGMA = (8.0, 16.0, 28.0, 45.0, 70.0)
"""Standard deviation of white Gaussian noise, 8-bit levels."""

JPEG_QUALITY = (43, 30, 18, 9, 4)
"""Quality setting of the JPEG encoder, 4:2:0."""

BLUR_SIGMA = (1.0, 2.0, 3.5, 5.5, 9.0)
"""Gaussian blur, pixels at a shortest edge of 512; other sizes in proportion."""

DARKEN_FACTOR = (0.75, 0.55, 0.40, 0.27, 0.15)
"""Factor on the sRGB levels."""

_REFERENCE_EDGE = 512.0


@dataclass(frozen=True)
class Degradation:
    """A degradation class with its severity; both are ``"null"`` for a clean photo."""

    kind: str
    severity: str


def draw_degradation(seed: int, index: int, *, clean_share: float = 1 / 21) -> Degradation:
    """Draw the degradation of one photo.

    Args:
        seed: Of the whole dataset.
        index: Of the photo in it.
        clean_share: Probability of no degradation; the default makes it one case among the 21.

    Returns:
        One of the twenty, all equally likely, or the clean case.
    """
    if not 0.0 <= clean_share <= 1.0:
        raise UsageError(f"clean_share is a probability, not {clean_share}")
    rng = _generator(seed, index, stream=0)
    if rng.random() < clean_share:
        return Degradation(NO_DEGRADATION, NO_DEGRADATION)
    return Degradation(CLASSES[rng.integers(len(CLASSES))], SEVERITIES[rng.integers(5)])


def degrade(image: Image, what: Degradation, *, seed: int, index: int) -> Image:
    """Degrade an RGB photo; the same arguments give the same pixels.

    Args:
        image: RGB, 8 bits.
        what: Class and severity; the clean case gives the photo back untouched.
        seed: Of the whole dataset; noise draws from it.
        index: Of the photo in it.

    Raises:
        UsageError: If there is no such class or severity.
    """
    from PIL import Image as Pil

    if what == Degradation(NO_DEGRADATION, NO_DEGRADATION):
        return image
    if what.kind not in CLASSES or what.severity not in SEVERITIES:
        raise UsageError(f"there is no degradation {what.kind!r} of severity {what.severity!r}")
    level = SEVERITIES.index(what.severity)
    if what.kind == "compression":
        return compress(image, JPEG_QUALITY[level])
    if what.kind == "blur":
        return blur(image, BLUR_SIGMA[level] * min(image.size) / _REFERENCE_EDGE)
    # In float32, as ever: in float64 four of the 5 x 256 darkened levels round the other way.
    pixels = np.asarray(image, dtype=np.float32)
    if what.kind == "noise":
        rng = _generator(seed, index, stream=1)
        return Pil.fromarray(add_noise(pixels, NOISE_SIGMA[level], rng))
    return Pil.fromarray(darken(pixels, DARKEN_FACTOR[level]))


def blur(image: Image, sigma: float) -> Image:
    """Gaussian blur of `sigma` pixels."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(sigma))


def compress(image: Image, quality: int) -> Image:
    """Through a JPEG encoder and back: its quality setting 1..100, 4:2:0."""
    return recoded(image, "JPEG", quality=quality, subsampling=2)


def recoded(image: Image, codec: str, **settings: int) -> Image:
    """Through an encoder of Pillow's and back, RGB: what the codec leaves of it.

    Args:
        image: RGB, 8 bits.
        codec: Pillow's name of the format, e.g. ``"WEBP"``.
        settings: Of its encoder.
    """
    from PIL import Image as Pil

    packed = io.BytesIO()
    image.save(packed, codec, **settings)
    packed.seek(0)
    return Pil.open(packed).convert("RGB")


def add_noise(pixels: NDArray[Any], sigma: float, rng: np.random.Generator) -> Pixels:
    """White Gaussian noise of `sigma` 8-bit levels, drawn from `rng`."""
    return _levels(pixels + sigma * rng.standard_normal(pixels.shape, dtype=np.float32))


def darken(pixels: NDArray[Any], factor: float) -> Pixels:
    """Scale the sRGB levels by a factor in 0..1, in the precision NumPy gives the product."""
    return _levels(pixels * factor)


def bound_pixels(image: Image, max_pixels: int) -> Image:
    """Reduce a photo to at most `max_pixels` pixels, aspect kept; a smaller one stays as it is."""
    from PIL import Image as Pil

    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    size = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    return image.resize(size, Pil.Resampling.BICUBIC)


def _levels(pixels: NDArray[Any]) -> Pixels:
    levels: Pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return levels


def _generator(seed: int, index: int, *, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, index, stream]))
