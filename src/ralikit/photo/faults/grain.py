"""Noise of sensors, and what codecs leave."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ralikit.photo.degrade import Pixels, add_noise, compress, recoded
from ralikit.photo.faults.amounts import Floats, between

# Noise.


def white(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """White Gaussian noise, each channel its own."""
    return add_noise(photo, between(strength, 6.0, 70.0), rng)


def grey_noise(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """White Gaussian noise in brightness alone."""
    sigma = between(strength, 5.0, 55.0)
    noise = rng.standard_normal((*photo.shape[:2], 1), dtype=np.float32)
    levels: Floats = photo + sigma * noise
    return levels


def shot(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Too little light: counts of photons, and the sensor's floor."""
    # The count of a white pixel is 1500 at strength 0, 12 at 1.
    full = between(strength, 1500.0, 12.0)
    linear = (photo / 255.0) ** 2.2
    counts = rng.poisson(linear * full) + rng.normal(0, 0.02 * math.sqrt(full), photo.shape)
    levels: Floats = (255.0 * np.clip(counts / full, 0, None) ** (1 / 2.2)).astype(np.float32)
    return levels


def coarse(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Grain of about 2 pixels, in brightness and, less, in colour: what raw converters leave."""
    height, width = photo.shape[:2]
    sigma = between(strength, 6.0, 60.0)
    noise = rng.standard_normal((height, width, 1), dtype=np.float32)
    noise = noise + 0.5 * rng.standard_normal((height, width, 3), dtype=np.float32)
    soft = noise + np.roll(noise, 1, axis=0)
    soft = soft + np.roll(soft, 1, axis=1)
    grain = sigma * soft / float(np.std(soft))
    levels: Floats = photo.astype(np.float32) + grain.astype(np.float32)
    return levels


# Compression.


def jpeg(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """JPEG, 4:2:0."""
    return np.asarray(compress(Image.fromarray(photo), round(between(strength, 40.0, 4.0))))


def jpeg_444(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """JPEG, 4:4:4, its blocks off the grid of the views."""
    # As in a photo that was cut after it was compressed.
    dx, dy = (int(n) for n in rng.integers(0, 8, 2))
    wide = np.pad(photo, ((dy, 0), (dx, 0), (0, 0)), mode="edge")
    quality = round(between(strength, 32.0, 3.0))
    return _coded(wide, "JPEG", quality=quality, subsampling=0)[dy:, dx:]


def webp(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """WebP; where its scale ends, of a reduced photo."""
    # At quality 0 its blocks are no coarser than JPEG's at 8: beyond, a smaller photo is coded.
    quality = round(28 * (1 - min(strength / 0.7, 1.0)))
    once = _coded(photo, "WEBP", quality=quality, method=4)
    if strength <= 0.7:
        return once
    return _enlarged_back(photo, "WEBP", 1 + (strength - 0.7) / 0.3, quality=0, method=4)


def avif(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """AVIF, which smears rather than shows blocks."""
    quality = round(30 * (1 - strength))
    return _coded(photo, "AVIF", quality=quality, speed=8)


def _enlarged_back(photo: Pixels, kind: str, factor: float, **settings: int) -> Pixels:
    image = Image.fromarray(photo)
    size = (max(8, round(image.width / factor)), max(8, round(image.height / factor)))
    coded = recoded(image.resize(size, Image.Resampling.BICUBIC), kind, **settings)
    return np.asarray(coded.resize(image.size, Image.Resampling.BICUBIC))


def _coded(photo: Pixels, codec: str, **settings: int) -> Pixels:
    return np.asarray(recoded(Image.fromarray(np.ascontiguousarray(photo)), codec, **settings))
