"""Crops, mirrors and graded degradations of training photos, drawn from a generator given in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ralikit.errors import UsageError
from ralikit.photo.degrade import Pixels, add_noise, blur, compress, darken

KINDS = ("blur", "noise", "jpeg", "dark")


@dataclass(frozen=True, kw_only=True)
class Crops:
    """How training views are cut.

    Attributes:
        random: Anywhere in the photo; otherwise the centre.
        zoom: Half of the crops are taken at a scale drawn from this range (log-uniform) and
            resized; (1, 1) never.
        mirror: Flip half of them.
    """

    random: bool = True
    zoom: tuple[float, float] = (0.8, 1.25)
    mirror: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.zoom[0] <= 1 <= self.zoom[1]:
            raise UsageError(f"zoom is a range around 1, not {list(self.zoom)}")


def take(photo: Pixels, size: int, crops: Crops, rng: np.random.Generator) -> Pixels:
    """One training view, (size, size, 3).

    Args:
        photo: (H, W, 3), no smaller than `size`.
        size: Edge of the view, pixels.
        crops: How it is cut.
        rng: Draws place, scale and mirror.
    """
    height, width = photo.shape[:2]
    shortest = min(height, width)
    scale = 1.0
    if crops.zoom != (1.0, 1.0) and rng.random() < 0.5:
        scale = float(np.exp(rng.uniform(*np.log(crops.zoom))))
    edge = min(shortest, round(size / max(scale, size / shortest)))
    if crops.random:
        top, left = rng.integers(0, height - edge + 1), rng.integers(0, width - edge + 1)
    else:
        top, left = (height - edge) // 2, (width - edge) // 2
    view = photo[top : top + edge, left : left + edge]
    if edge != size:
        resized = Image.fromarray(view).resize((size, size), Image.Resampling.BICUBIC)
        view = np.asarray(resized)
    return view[:, ::-1] if crops.mirror and rng.random() < 0.5 else view


def worsen(view: Pixels, kind: str, severity: float, rng: np.random.Generator) -> Pixels:
    """Degrade a view by any amount: free supervision, since the worse copy must score lower.

    Strengths run log-uniformly over what an eye can see: blur 0.6 to 6.5 pixels, noise 5 to 75
    levels, JPEG quality 70 to 4, darkness factor 0.85 to 0.08.

    Args:
        view: (H, W, 3) at the scale the tower looks at.
        kind: One of `KINDS`.
        severity: 0 (just visible) to 1.
        rng: Draws the noise.

    Raises:
        UsageError: If there is no such kind.
    """

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** severity)

    if kind == "blur":
        return np.asarray(blur(Image.fromarray(view), between(0.6, 6.5)))
    if kind == "noise":
        return add_noise(view, between(5, 75), rng)
    if kind == "jpeg":
        return np.asarray(compress(Image.fromarray(view), round(between(70, 4))))
    if kind == "dark":
        return darken(view, between(0.85, 0.08))
    raise UsageError(f"there is no degradation {kind!r}; known: {', '.join(KINDS)}")


def draw_chain(rng: np.random.Generator) -> tuple[str, float, float]:
    """Draw a degradation and two severities, the second clearly stronger."""
    kind = KINDS[rng.integers(len(KINDS))]
    weak = float(rng.uniform(0, 0.7))
    return kind, weak, float(rng.uniform(weak + 0.2, 1.0))
