"""Crops, mirrors and graded degradations of training photos, drawn from a generator given in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ralikit.errors import UsageError
from ralikit.model.reasons import BANK
from ralikit.photo.degrade import Pixels, add_noise, blur, compress, darken
from ralikit.photo.faults import Rendering, renderings

KINDS = ("blur", "noise", "jpeg", "dark")


@dataclass(frozen=True, kw_only=True)
class Crops:
    """How training views are cut.

    Attributes:
        random: Anywhere in the photo; otherwise the centre.
        zoom: Half of the crops are taken at a scale drawn from this range (log-uniform) and
            resized; (1, 1) never.
        mirror: Flip half of them.
        size: Their edge, pixels; None: that of the views that scoring makes. Smaller ones, cut at
            the same scale, train faster.
    """

    random: bool = True
    zoom: tuple[float, float] = (0.8, 1.25)
    mirror: bool = True
    size: int | None = None

    def __post_init__(self) -> None:
        if (self.size or 32) < 32:
            raise UsageError(f"training views have at least 32 pixels, not {self.size}")
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Two copies of a view, the second clearly worse.

    Attributes:
        copies: The weak and the strong one, (2, H, W, 3).
        severities: 0..1 each.
        reason: Number in the bank of the fault they have; -1: none of it.
        weight: Of a full severity on the score, against the worst kinds of fault.
    """

    copies: Pixels
    severities: tuple[float, float]
    reason: int = -1
    weight: float = 1.0


def draw_chain(
    view: Pixels, rng: np.random.Generator, *, faults: bool = False, edge: int | None = None
) -> Chain:
    """Draw a degradation and two severities, the second clearly stronger, and apply them.

    Args:
        view: (S, S, 3), at the scale the tower looks at.
        rng: Draws everything.
        faults: Draw from the faults of the bank of reasons.
        edge: Shortest edge of the photo that the view was cut from, pixels; None: the view's own.
    """
    if faults:
        return _draw_fault(view, rng, edge or min(view.shape[:2]))
    kind = KINDS[rng.integers(len(KINDS))]
    weak = float(rng.uniform(0, 0.7))
    severities = weak, float(rng.uniform(weak + 0.2, 1.0))
    return Chain(
        copies=np.stack([worsen(view, kind, s, rng) for s in severities]), severities=severities
    )


_IDS = tuple(o.info.id for o in BANK)
_FITTED = tuple(tuple(r for r in renderings(held_out=False) if r.reason == i) for i in _IDS)

# How much lower people rate the full fault, roughly, against blur or darkness: ours.
_WEIGHTS = {"too-bright": 0.7, "low-contrast": 0.5, "poor-colours": 0.4}

# Factor from the weakest to the strongest blur of `ralikit.photo.faults`, whose sizes are given for
# a shortest edge of 512 and follow the picture they are handed.
_BLURS = {"out-of-focus": 8.5, "motion-blur": 9.6}


def _draw_fault(view: Pixels, rng: np.random.Generator, edge: int) -> Chain:
    reason = int(rng.integers(len(_IDS)))
    rendering = _FITTED[reason][rng.integers(len(_FITTED[reason]))]
    weak = float(rng.uniform(0, 0.7))
    severities = weak, float(rng.uniform(weak + 0.2, 1.0))
    copies = np.stack([_planted(view, rendering, s, rng, edge) for s in severities])
    weight = _WEIGHTS.get(_IDS[reason], 1.0)
    return Chain(copies=copies, severities=severities, reason=reason, weight=weight)


def _planted(
    view: Pixels, what: Rendering, severity: float, rng: np.random.Generator, edge: int
) -> Pixels:
    """Plant a fault in a view as large as it would be in the whole photo."""
    if what.reason in _BLURS:
        smaller = edge / min(view.shape[:2])
        severity += float(np.log(smaller) / np.log(_BLURS[what.reason]))
    levels = np.asarray(what.plant(view, severity, rng))
    planted: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return planted
