"""Exposure, contrast and colour."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ralikit.photo.degrade import Pixels, darken
from ralikit.photo.faults.amounts import LUMA, Floats, between

# Exposure.


def darker(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """All sRGB levels scaled down."""
    return darken(photo, between(strength, 0.7, 0.12))


def gamma_down(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A gamma above 1."""
    return _toned(photo, lambda x: x ** between(strength, 1.5, 4.5))


def stopped_down(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Fewer stops of light."""
    stops = between(strength, 1.1, 6.0)
    return _toned(photo, lambda x: _encoded(_linear(x) * 2.0**-stops))


def crushed(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Levels taken off, the shadows cut."""
    step = between(strength, 0.12, 0.6)
    return _toned(photo, lambda x: np.clip(x - step, 0, None) * (1 - step / 2))


def gain_up(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """All sRGB levels scaled up and cut."""
    return _toned(photo, lambda x: x * between(strength, 1.25, 3.5))


def opened_up(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """More stops of light, cut."""
    stops = between(strength, 0.7, 4.0)
    return _toned(photo, lambda x: _encoded(_linear(x) * 2.0**stops))


def lifted(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Levels put on, the lights cut."""
    return _toned(photo, lambda x: x * 1.05 + between(strength, 0.12, 0.62))


def screened(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A curve that lifts all and ends in white."""
    return _toned(photo, lambda x: 1 - (1 - x) ** between(strength, 1.5, 7.0))


def _toned(photo: Pixels, curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Floats:
    """One curve over the 256 levels, 0..1 to 0..1."""
    levels = 255.0 * np.clip(curve(np.arange(256) / 255.0), 0, 1)
    found: Floats = levels.astype(np.float32)[photo]
    return found


def _linear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return found


def _encoded(light: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.clip(light, 0, 1)
    found: NDArray[np.float64] = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return found


# Contrast.


def towards_mean(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """All levels pulled to their mean."""
    keep = between(strength, 0.65, 0.12)
    mean = float((photo @ LUMA).mean())
    levels: Floats = mean + keep * (photo.astype(np.float32) - mean)
    return levels


def towards_grey(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """All levels pulled to a grey."""
    keep = between(strength, 0.65, 0.12)
    grey = float(rng.uniform(95, 165))
    levels: Floats = grey + keep * (photo.astype(np.float32) - grey)
    return levels


def haze(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A bright veil, thicker towards the top."""
    height = photo.shape[0]
    thick = np.linspace(1.25, 0.75, height, dtype=np.float32)[:, None, None]
    through = between(strength, 0.65, 0.12) ** thick
    air = np.array([0.97, 1.0, 1.03], dtype=np.float32) * float(rng.uniform(165, 205))
    levels: Floats = photo * through + air * (1 - through)
    return levels


def flattened(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Both ends pulled in: a flat profile that nobody graded."""
    keep = between(strength, 0.6, 0.12)
    low = float(rng.uniform(0.3, 0.5)) * (1 - keep)
    return _toned(photo, lambda x: low + keep * (x + 0.25 * np.sin(2 * math.pi * x) / math.pi))


# Colour.


def desaturated(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Colours taken out."""
    keep = 0.6 * (1 - strength)
    grey = (photo @ LUMA)[..., None]
    levels: Floats = np.asarray(grey + keep * (photo - grey), dtype=np.float32)
    return levels


def cast(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Gains a channel, along a drawn direction, brightness kept."""
    size = between(strength, 0.14, 0.75)
    angle = rng.uniform(0, 2 * math.pi)
    tint = np.cos(angle + np.array([0.0, 2.0, 4.0]) * math.pi / 3)
    gains = np.exp(size * tint).astype(np.float32)
    return _same_luma(photo, photo * gains)


def hue_turned(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """All hues turned."""
    angle = between(strength, 18.0, 120.0) * (1 if rng.random() < 0.5 else -1)
    turn = round(angle / 360 * 256)
    hue, *rest = Image.fromarray(photo).convert("HSV").split()
    turned = Image.fromarray(((np.asarray(hue).astype(int) + turn) % 256).astype(np.uint8))
    return np.asarray(Image.merge("HSV", (turned, *rest)).convert("RGB"))


def tinted(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A shift of both colour differences: shadows are tinted as much as lights."""
    size = between(strength, 10.0, 60.0)
    angle = rng.uniform(0, 2 * math.pi)
    cb, cr = size * math.cos(angle), size * math.sin(angle)
    shift = np.array([1.402 * cr, -0.344 * cb - 0.714 * cr, 1.772 * cb], dtype=np.float32)
    return photo + shift


def _same_luma(photo: Pixels, other: NDArray[np.floating]) -> Floats:
    before, after = (photo @ LUMA).mean(), (other @ LUMA).mean()
    levels: Floats = (other * (before / max(float(after), 1e-6))).astype(np.float32)
    return levels
