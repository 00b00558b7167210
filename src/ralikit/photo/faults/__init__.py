"""Plant one fault in a photo, in one of several renderings and at any strength, the same by seed.

What the reasons of a bank are fitted on (`ralikit.train.rali.reasons`) and checked with
(`benchmarks/reasons.py`). Of every fault two renderings are kept out of fitting, so that the check
asks for the fault and not for its imitation. Strength runs from 0, just visible to whoever compares
with the original, to 1, hardly usable; the amounts are ours, as large as KADIS's severities
(`ralikit.photo.degrade`) where those have the fault. Sizes are in pixels at a shortest edge of 512
and grow with the photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError
from ralikit.photo.degrade import Pixels
from ralikit.photo.faults import blurs, grain, tones

Plant = Callable[[Pixels, float, np.random.Generator], NDArray[np.generic]]


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
    levels: NDArray[Any] = what.plant(photo, strength, rng)
    if levels.dtype == np.uint8:
        return levels.astype(np.uint8, copy=False)
    worse: Pixels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return worse


def renderings(*, held_out: bool) -> tuple[Rendering, ...]:
    """Those that fitting may use, or those that it never sees."""
    return tuple(r for r in RENDERINGS if r.held_out is held_out)


def _of(reason: str, fitted: tuple[Plant, ...], kept: tuple[Plant, ...]) -> tuple[Rendering, ...]:
    return tuple(
        Rendering(reason=reason, name=p.__name__, held_out=p in kept, plant=p)
        for p in (*fitted, *kept)
    )


RENDERINGS: tuple[Rendering, ...] = (
    *_of("out-of-focus", (blurs.gaussian, blurs.disc), (blurs.hexagon, blurs.enlarged)),
    *_of("motion-blur", (blurs.line, blurs.bend), (blurs.arc, blurs.shake)),
    *_of("noise", (grain.white, grain.grey_noise), (grain.shot, grain.coarse)),
    *_of("too-dark", (tones.darker, tones.gamma_down), (tones.stopped_down, tones.crushed)),
    *_of("too-bright", (tones.gain_up, tones.opened_up), (tones.lifted, tones.screened)),
    *_of("low-contrast", (tones.towards_mean, tones.towards_grey), (tones.haze, tones.flattened)),
    *_of("poor-colours", (tones.desaturated, tones.cast), (tones.hue_turned, tones.tinted)),
    *_of("compression", (grain.jpeg, grain.jpeg_444), (grain.webp, grain.avif)),
)
"""Four renderings a reason, two of them kept out of fitting."""
