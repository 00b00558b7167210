"""Plant one fault in a photo, in one of several renderings and at any strength, the same by seed.

What the reasons of a bank are fitted on (`ralikit.train.rali.reasons`) and checked with
(`benchmarks/reasons.py`). Of every fault two renderings are kept out of fitting, so that the check
asks for the fault and not for its imitation. Strength runs from 0, just visible to whoever compares
with the original, to 1, hardly usable; the amounts are ours, as large as KADIS's severities
(`ralikit.photo.degrade`) where those have the fault. Sizes are in pixels at a shortest edge of 512
and grow with the photo.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ralikit.errors import UsageError
from ralikit.photo.degrade import Pixels, add_noise, blur, compress, darken

Floats = NDArray[np.float32]
Plant = Callable[[Pixels, float, np.random.Generator], NDArray[np.generic]]

_EDGE = 512.0
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """One way to plant a fault.

    Attributes:
        reason: Id of the reason that it gives (`ralikit.model.reasons.BANK`).
        name: Its own, e.g. ``"disc"``.
        held_out: Whether fitting never sees it.
        plant: (H, W, 3) uint8, strength, generator -> pixels, rounded and clipped afterwards.
    """

    reason: str
    name: str
    held_out: bool
    plant: Plant


def plant(photo: Pixels, what: Rendering, strength: float, *, rng: np.random.Generator) -> Pixels:
    """A copy of a photo with one fault.

    Args:
        photo: (H, W, 3) RGB.
        what: One of `RENDERINGS`.
        strength: 0 (just visible) to 1 (hardly usable).
        rng: Draws directions, noise and tints.

    Raises:
        UsageError: If the strength is outside 0..1.
    """
    if not 0 <= strength <= 1:
        raise UsageError(f"a fault's strength lies in 0..1, not {strength}")
    levels = np.asarray(what.plant(photo, strength, rng))
    if levels.dtype == np.uint8:
        return levels
    worse: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return worse


def renderings(*, held_out: bool) -> tuple[Rendering, ...]:
    """Those that fitting may use, or those that it never sees."""
    return tuple(r for r in RENDERINGS if r.held_out is held_out)


def _between(strength: float, low: float, high: float) -> float:
    """Geometric: equal steps of strength multiply the amount equally."""
    return float(low * (high / low) ** strength)


def _grown(photo: Pixels, pixels: float) -> float:
    return pixels * min(photo.shape[:2]) / _EDGE


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


def _gaussian(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    sigma = _grown(photo, _between(strength, 0.8, 7.0))
    return np.asarray(blur(Image.fromarray(photo), sigma))


def _disc(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    radius = _grown(photo, _between(strength, 1.5, 12.0))

    def draw(pen: ImageDraw.ImageDraw, centre: float, fine: float) -> None:
        r = radius * fine
        pen.ellipse((centre - r, centre - r, centre + r, centre + r), fill=255)

    return _convolved(photo, _kernel(radius, draw))


def _hexagon(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    radius = _grown(photo, _between(strength, 1.7, 13.0))
    turn = float(rng.uniform(0, 60))

    def draw(pen: ImageDraw.ImageDraw, centre: float, fine: float) -> None:
        pen.regular_polygon((centre, centre, radius * fine), 6, rotation=turn, fill=255)

    return _convolved(photo, _kernel(radius, draw))


def _enlarged(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    factor = _between(strength, 1.8, 10.0)
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
    return points @ np.array([[cos, sin], [-sin, cos]])


def _length(photo: Pixels, strength: float) -> float:
    return _grown(photo, _between(strength, 5.0, 48.0))


def _line(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    points = _turned(np.array([[0.0, 0.0], [1.0, 0.0]]), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def _bend(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    corner = [rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.2)]
    points = _turned(np.array([[0.0, 0.0], corner, [1.0, 0.0]]), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def _arc(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    angles = np.linspace(0, rng.uniform(0.3, 0.6) * math.pi, 24)
    points = _turned(np.stack([np.cos(angles), np.sin(angles)], axis=1), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.0))


def _shake(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    # A hand's tremor across the way it moves.
    along = np.linspace(0, 1, 32)
    waves = sum(
        rng.uniform(0.3, 1.0) / k * np.sin(2 * math.pi * (k * along + rng.random()))
        for k in (1, 2, 3)
    )
    points = _turned(np.stack([along, 0.08 * np.asarray(waves)], axis=1), rng)
    return _convolved(photo, _path(points, _length(photo, strength), 1.5))


# Noise.


def _white(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    return add_noise(photo, _between(strength, 6.0, 70.0), rng)


def _grey_noise(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    sigma = _between(strength, 5.0, 55.0)
    noise = rng.standard_normal((*photo.shape[:2], 1), dtype=np.float32)
    levels: Floats = photo + sigma * noise
    return levels


def _shot(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    # Counts of light: a white pixel's is 1500 at strength 0, 12 at 1; a sensor's floor besides.
    full = _between(strength, 1500.0, 12.0)
    linear = (photo / 255.0) ** 2.2
    counts = rng.poisson(linear * full) + rng.normal(0, 0.02 * math.sqrt(full), photo.shape)
    levels: Floats = (255.0 * np.clip(counts / full, 0, None) ** (1 / 2.2)).astype(np.float32)
    return levels


def _coarse(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    # Grain of about 2 pixels, in brightness and, less, in colour: what raw converters leave.
    height, width = photo.shape[:2]
    sigma = _between(strength, 6.0, 60.0)
    noise = rng.standard_normal((height, width, 1), dtype=np.float32)
    noise = noise + 0.5 * rng.standard_normal((height, width, 3), dtype=np.float32)
    soft = noise + np.roll(noise, 1, axis=0)
    soft = soft + np.roll(soft, 1, axis=1)
    levels: Floats = photo + sigma * soft / np.std(soft)
    return levels


# Exposure.


def _darker(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    return darken(photo, _between(strength, 0.7, 0.12))


def _gamma_down(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    return _toned(photo, lambda x: x ** _between(strength, 1.5, 4.5))


def _stopped_down(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    stops = _between(strength, 1.1, 6.0)
    return _toned(photo, lambda x: _encoded(_linear(x) * 2.0**-stops))


def _crushed(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    step = _between(strength, 0.12, 0.6)
    return _toned(photo, lambda x: np.clip(x - step, 0, None) * (1 - step / 2))


def _gain_up(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    return _toned(photo, lambda x: x * _between(strength, 1.25, 3.5))


def _opened_up(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    stops = _between(strength, 0.7, 4.0)
    return _toned(photo, lambda x: _encoded(_linear(x) * 2.0**stops))


def _lifted(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    return _toned(photo, lambda x: x * 1.05 + _between(strength, 0.12, 0.62))


def _screened(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    return _toned(photo, lambda x: 1 - (1 - x) ** _between(strength, 1.5, 7.0))


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


def _towards_mean(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    keep = _between(strength, 0.65, 0.12)
    mean = float((photo @ _LUMA).mean())
    levels: Floats = mean + keep * (photo.astype(np.float32) - mean)
    return levels


def _towards_grey(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    keep = _between(strength, 0.65, 0.12)
    grey = float(rng.uniform(95, 165))
    levels: Floats = grey + keep * (photo.astype(np.float32) - grey)
    return levels


def _haze(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    # Thicker towards the top, where the scene is farthest: light of its own over what is left.
    height = photo.shape[0]
    thick = np.linspace(1.25, 0.75, height, dtype=np.float32)[:, None, None]
    through = _between(strength, 0.65, 0.12) ** thick
    air = np.array([0.97, 1.0, 1.03], dtype=np.float32) * float(rng.uniform(165, 205))
    levels: Floats = photo * through + air * (1 - through)
    return levels


def _flattened(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    # Both ends pulled in, the middle less than they: a flat profile that nobody graded.
    keep = _between(strength, 0.6, 0.12)
    low = float(rng.uniform(0.3, 0.5)) * (1 - keep)
    return _toned(photo, lambda x: low + keep * (x + 0.25 * np.sin(2 * math.pi * x) / math.pi))


# Colour.


def _desaturated(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    keep = 0.6 * (1 - strength)
    grey = (photo @ _LUMA)[..., None]
    levels: Floats = grey + keep * (photo - grey)
    return levels


def _cast(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """Gains a channel, along a drawn direction, brightness kept."""
    size = _between(strength, 0.14, 0.75)
    angle = rng.uniform(0, 2 * math.pi)
    tint = np.cos(angle + np.array([0.0, 2.0, 4.0]) * math.pi / 3)
    gains = np.exp(size * tint).astype(np.float32)
    return _same_luma(photo, photo * gains)


def _hue_turned(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    angle = _between(strength, 18.0, 120.0) * (1 if rng.random() < 0.5 else -1)
    turn = round(angle / 360 * 256)
    hue, *rest = Image.fromarray(photo).convert("HSV").split()
    turned = Image.fromarray(((np.asarray(hue).astype(int) + turn) % 256).astype(np.uint8))
    return np.asarray(Image.merge("HSV", (turned, *rest)).convert("RGB"))


def _tinted(photo: Pixels, strength: float, rng: np.random.Generator) -> Floats:
    """A shift of both colour differences: shadows are tinted as much as lights."""
    size = _between(strength, 10.0, 60.0)
    angle = rng.uniform(0, 2 * math.pi)
    cb, cr = size * math.cos(angle), size * math.sin(angle)
    shift = np.array([1.402 * cr, -0.344 * cb - 0.714 * cr, 1.772 * cb], dtype=np.float32)
    return photo + shift


def _same_luma(photo: Pixels, other: NDArray[np.floating]) -> Floats:
    before, after = (photo @ _LUMA).mean(), (other @ _LUMA).mean()
    levels: Floats = (other * (before / max(float(after), 1e-6))).astype(np.float32)
    return levels


# Compression.


def _jpeg(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    return np.asarray(compress(Image.fromarray(photo), round(_between(strength, 40.0, 4.0))))


def _jpeg_444(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    # Blocks off the grid of the views, as in a photo that was cut after it was compressed.
    dx, dy = (int(n) for n in rng.integers(0, 8, 2))
    wide = np.pad(photo, ((dy, 0), (dx, 0), (0, 0)), mode="edge")
    quality = round(_between(strength, 32.0, 3.0))
    return _coded(wide, "JPEG", quality=quality, subsampling=0)[dy:, dx:]


def _webp(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    # WebP's scale ends early: at quality 0 it is as JPEG at 8; coded twice, the shifts add up.
    quality = round(28 * (1 - min(strength / 0.7, 1.0)))
    once = _coded(photo, "WEBP", quality=quality, method=4)
    if strength <= 0.7:
        return once
    return _enlarged_back(photo, "WEBP", 1 + (strength - 0.7) / 0.3, quality=0, method=4)


def _avif(photo: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    quality = round(30 * (1 - strength))
    return _coded(photo, "AVIF", quality=quality, speed=8)


def _enlarged_back(photo: Pixels, kind: str, factor: float, **settings: int) -> Pixels:
    image = Image.fromarray(photo)
    size = (max(8, round(image.width / factor)), max(8, round(image.height / factor)))
    small = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    coded = Image.fromarray(_coded(small, kind, **settings))
    return np.asarray(coded.resize(image.size, Image.Resampling.BICUBIC))


def _coded(photo: Pixels, kind: str, **settings: int) -> Pixels:
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(photo)).save(packed, kind, **settings)
    packed.seek(0)
    return np.asarray(Image.open(packed).convert("RGB"))


def _of(reason: str, fitted: tuple[Plant, ...], kept: tuple[Plant, ...]) -> tuple[Rendering, ...]:
    return tuple(
        Rendering(reason=reason, name=p.__name__.lstrip("_"), held_out=p in kept, plant=p)
        for p in (*fitted, *kept)
    )


RENDERINGS: tuple[Rendering, ...] = (
    *_of("out-of-focus", (_gaussian, _disc), (_hexagon, _enlarged)),
    *_of("motion-blur", (_line, _bend), (_arc, _shake)),
    *_of("noise", (_white, _grey_noise), (_shot, _coarse)),
    *_of("too-dark", (_darker, _gamma_down), (_stopped_down, _crushed)),
    *_of("too-bright", (_gain_up, _opened_up), (_lifted, _screened)),
    *_of("low-contrast", (_towards_mean, _towards_grey), (_haze, _flattened)),
    *_of("poor-colours", (_desaturated, _cast), (_hue_turned, _tinted)),
    *_of("compression", (_jpeg, _jpeg_444), (_webp, _avif)),
)
"""Four renderings a reason, two of them kept out of fitting."""
