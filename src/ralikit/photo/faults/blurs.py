"""Out of focus, and moved: kernels of several shapes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ralikit.photo.degrade import Pixels, blur
from ralikit.photo.faults.amounts import Floats, between, grown

# Blur: a kernel drawn on a small canvas, four times oversampled.


def _kernel(size: float, draw: Callable[[ImageDraw.ImageDraw, float, float], None]) -> Floats:
    edge, fine = 2 * math.ceil(size) + 3, 4
    canvas = Image.new("L", (edge * fine, edge * fine))
    draw(ImageDraw.Draw(canvas), edge * fine / 2, float(fine))
    small = np.asarray(canvas.resize((edge, edge), Image.Resampling.BOX), dtype=np.float32)
    kernel: Floats = small / max(float(small.sum()), 1e-9)
    return kernel


def _convolved(photo: Pixels, kernel: Floats) -> Floats:
    """Convolution by FFT, the photo continued by its mirror image."""
    half = kernel.shape[0] // 2
    pad = (
        -(-half // 8) * 8
    )  # extents with small factors only: FFTs of others take ten times as long
    wide = np.pad(photo.astype(np.float32), ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    shape = (wide.shape[0], wide.shape[1])
    place = np.zeros(shape, dtype=np.float32)
    place[: kernel.shape[0], : kernel.shape[1]] = kernel
    place = np.roll(place, (-half, -half), axis=(0, 1))
    spectrum = np.fft.rfft2(wide, axes=(0, 1)) * np.fft.rfft2(place)[..., None]
    result = np.fft.irfft2(spectrum, s=shape, axes=(0, 1)).astype(np.float32)
    found: Floats = result[pad : pad + photo.shape[0], pad : pad + photo.shape[1]]
    return found


def gaussian(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Gaussian blur."""
    sigma = grown(photo, between(strength, 0.8, 7.0))
    return np.asarray(blur(Image.fromarray(photo), sigma))


def disc(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Defocus of a round aperture."""
    radius = grown(photo, between(strength, 1.5, 12.0))

    def draw(pen: ImageDraw.ImageDraw, centre: float, fine: float) -> None:
        r = radius * fine
        pen.ellipse((centre - r, centre - r, centre + r, centre + r), fill=255)

    return _convolved(photo, _kernel(radius, draw))


def hexagon(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Defocus of an aperture of six blades, turned anyhow."""
    radius = grown(photo, between(strength, 1.7, 13.0))
    turn = float(rng.uniform(0, 60))

    def draw(pen: ImageDraw.ImageDraw, centre: float, fine: float) -> None:
        pen.regular_polygon((centre, centre, radius * fine), 6, rotation=turn, fill=255)

    return _convolved(photo, _kernel(radius, draw))


def enlarged(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Reduced, and enlarged again."""
    factor = between(strength, 1.8, 10.0)
    image = Image.fromarray(photo)
    small = (max(2, round(image.width / factor)), max(2, round(image.height / factor)))
    reduced = image.resize(small, Image.Resampling.BOX)
    return np.asarray(reduced.resize(image.size, Image.Resampling.BICUBIC))


def _path(points: NDArray[np.float64], length: float, width: float) -> Floats:
    """Kernel of a movement: a path scaled to an extent of `length` pixels."""
    points = points - (points.max(axis=0) + points.min(axis=0)) / 2
    points = points * length / max(float(np.hypot(*np.ptp(points, axis=0))), 1e-9)

    def draw(pen: ImageDraw.ImageDraw, centre: float, fine: float) -> None:
        line = [(centre + x * fine, centre + y * fine) for x, y in points]
        pen.line(line, fill=255, width=max(1, round(width * fine)), joint="curve")

    return _kernel(length / 2 + width, draw)


def _turned(points: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    angle = rng.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    turned: NDArray[np.float64] = points @ np.array([[cos, sin], [-sin, cos]])
    return turned


def _length(photo: Pixels, strength: float) -> float:
    return grown(photo, between(strength, 5.0, 48.0))


def line(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A straight movement."""
    points = _turned(np.array([[0.0, 0.0], [1.0, 0.0]]), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def bend(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Two straight movements, a corner between them."""
    corner = [rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.2)]
    points = _turned(np.array([[0.0, 0.0], corner, [1.0, 0.0]]), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def arc(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A movement along a piece of a circle."""
    angles = np.linspace(0, rng.uniform(0.3, 0.6) * math.pi, 24)
    points = _turned(np.stack([np.cos(angles), np.sin(angles)], axis=1), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def shake(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A movement with a hand's tremor across it."""
    along = np.linspace(0, 1, 32)
    waves = sum(
        rng.uniform(0.3, 1.0) / k * np.sin(2 * math.pi * (k * along + rng.random()))
        for k in (1, 2, 3)
    )
    points = _turned(np.stack([along, 0.08 * np.asarray(waves)], axis=1), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.5))
