"""Degrade a clean photo on purpose: the second task of Q-Insight, the same every time by seed.

Four classes with five severities each, after KADIS; the strengths below are ours (the papers name
classes and severities only). A photo is first brought to the size the model will see: noise or
blur put on a large photo would vanish in the reduction while its label stayed.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np

from ralikit.errors import UsageError
from ralikit.train.teacher.answers import Degradation
from ralikit.train.teacher.prompts import CLASSES, NO_DEGRADATION, SEVERITIES

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["bound_pixels", "degrade", "draw_degradation"]

NOISE_SIGMA = (8.0, 16.0, 28.0, 45.0, 70.0)
"""Standard deviation of white Gaussian noise, 8-bit levels."""

JPEG_QUALITY = (43, 30, 18, 9, 4)
"""Quality setting of the JPEG encoder, 4:2:0."""

BLUR_SIGMA = (1.0, 2.0, 3.5, 5.5, 9.0)
"""Gaussian blur, pixels at a shortest edge of 512; other sizes in proportion."""

DARKEN_FACTOR = (0.75, 0.55, 0.40, 0.27, 0.15)
"""Factor on the sRGB levels."""

_REFERENCE_EDGE = 512.0


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
    from PIL import ImageFilter

    if what == Degradation(NO_DEGRADATION, NO_DEGRADATION):
        return image
    if what.kind not in CLASSES or what.severity not in SEVERITIES:
        raise UsageError(f"there is no degradation {what.kind!r} of severity {what.severity!r}")
    level = SEVERITIES.index(what.severity)
    if what.kind == "compression":
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=JPEG_QUALITY[level], subsampling=2)
        packed.seek(0)
        return Pil.open(packed).convert("RGB")
    if what.kind == "blur":
        sigma = BLUR_SIGMA[level] * min(image.size) / _REFERENCE_EDGE
        return image.filter(ImageFilter.GaussianBlur(sigma))
    pixels = np.asarray(image, dtype=np.float32)
    if what.kind == "noise":
        rng = _generator(seed, index, stream=1)
        noise = rng.standard_normal(pixels.shape, dtype=np.float32)
        pixels = pixels + NOISE_SIGMA[level] * noise
    else:
        pixels = pixels * DARKEN_FACTOR[level]
    return Pil.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def bound_pixels(image: Image, max_pixels: int) -> Image:
    """Reduce a photo to at most `max_pixels` pixels, aspect kept; a smaller one stays as it is."""
    from PIL import Image as Pil

    width, height = image.size
    if width * height <= max_pixels:
        return image
    scale = math.sqrt(max_pixels / (width * height))
    size = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    return image.resize(size, Pil.Resampling.BICUBIC)


def _generator(seed: int, index: int, *, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, index, stream]))
