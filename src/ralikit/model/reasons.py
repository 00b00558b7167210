"""Why a photo scores low: what each number of the output `reasons` means, and how it is read.

The bank says in words what is looked for: every reason with texts of a photo that has the fault and
of one that has not. Ids never change their meaning; words may be translated by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ralikit.errors import UsageError
from ralikit.printable import shown

NAMED = 0.5
"""A reason of at least this is named: a person would say so as likely as not."""


@dataclass(frozen=True, kw_only=True)
class ReasonInfo:
    """What one number of the output `reasons` means.

    Attributes:
        id: Stable name, e.g. ``"out-of-focus"``.
        words: The same for people, English.
        quality: The good side that it speaks against, e.g. ``"sharpness"``.
    """

    id: str
    words: str
    quality: str

    def __post_init__(self) -> None:
        for what in (self.id, self.words, self.quality):
            if not what or not what.isprintable():
                raise UsageError(
                    f"a reason's id, words and quality are printable, not {shown(what)!r}"
                )


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason of one photo.

    Attributes:
        id: Stable name, e.g. ``"out-of-focus"``.
        words: The same for people, English.
        value: 0 to 1; 0.5: as likely as not that a person would say so.
    """

    id: str
    words: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Opposites:
    """A reason with texts of both sides, several wordings each.

    Attributes:
        info: The reason.
        present: Of photos that have the fault.
        absent: Of photos that are good in this respect.
    """

    info: ReasonInfo
    present: tuple[str, ...]
    absent: tuple[str, ...]


def named_reasons(values: Sequence[float], infos: Sequence[ReasonInfo]) -> tuple[Reason, ...]:
    """Those of at least `NAMED`, the highest first; equal ones in the output's order.

    Args:
        values: The output, (K,), each 0..1.
        infos: What each means, K of them.
    """
    found = [
        Reason(id=info.id, words=info.words, value=float(value))
        for info, value in zip(infos, values, strict=True)
        if value >= NAMED
    ]
    return tuple(sorted(found, key=lambda reason: -reason.value))


def quality_values(values: Sequence[float], infos: Sequence[ReasonInfo]) -> Mapping[str, float]:
    """Every quality, 0..1: 1 minus the highest of the reasons that speak against it."""
    worst: dict[str, float] = {}
    for info, value in zip(infos, values, strict=True):
        worst[info.quality] = max(worst.get(info.quality, 0.0), float(value))
    return {quality: 1.0 - value for quality, value in worst.items()}


def _opposites(
    id_: str, words: str, quality: str, *, present: Sequence[str], absent: Sequence[str]
) -> Opposites:
    info = ReasonInfo(id=id_, words=words, quality=quality)
    return Opposites(info=info, present=tuple(present), absent=tuple(absent))


BANK: tuple[Opposites, ...] = (
    _opposites(
        "out-of-focus",
        "out of focus",
        "sharpness",
        present=(
            "The photo is out of focus.",
            "The whole picture is soft, edges are wide and smeared.",
            "Fine detail is lost in blur; nothing is in focus.",
            "Textures such as hair and leaves are washed together because the lens missed focus.",
        ),
        absent=(
            "The photo is in focus.",
            "The picture is crisp, edges are narrow and clear.",
            "Fine detail is resolved; the subject is sharply in focus.",
            "Textures such as hair and leaves are separate down to the finest strand.",
        ),
    ),
    _opposites(
        "motion-blur",
        "motion blur",
        "steadiness",
        present=(
            "The photo has motion blur.",
            "The camera shook: everything is drawn out into streaks in one direction.",
            "Edges are doubled and smeared along the movement.",
            "Points of light have become short lines because the camera moved.",
        ),
        absent=(
            "The photo was taken with a steady camera.",
            "The camera was held still: nothing is drawn out into streaks.",
            "Edges are as clear in every direction, without any trace of movement.",
            "Points of light are round points; nothing moved.",
        ),
    ),
    _opposites(
        "noise",
        "noise",
        "cleanness",
        present=(
            "The photo is noisy.",
            "Grain covers the picture, most visible in plain and dark areas.",
            "Random coloured specks lie over sky, walls and skin.",
            "High sensor sensitivity left speckles everywhere.",
        ),
        absent=(
            "The photo is free of noise.",
            "Plain and dark areas are smooth and clean, without grain.",
            "Sky, walls and skin are even, without any specks.",
            "Low sensor sensitivity left a clean picture.",
        ),
    ),
    _opposites(
        "too-dark",
        "too dark",
        "exposure",
        present=(
            "The photo is too dark.",
            "The picture is underexposed; shadows are black and hide what is in them.",
            "Too little light: faces and objects can hardly be made out.",
            "Nearly everything lies in darkness.",
        ),
        absent=(
            "The photo is bright enough.",
            "The picture is well exposed; shadows show what is in them.",
            "There is enough light: faces and objects are easily made out.",
            "Nothing is lost in darkness.",
        ),
    ),
    _opposites(
        "too-bright",
        "too bright",
        "exposure",
        present=(
            "The photo is too bright.",
            "The picture is overexposed; highlights are burnt out to white.",
            "Too much light: clouds and light surfaces are blank patches.",
            "Bright areas are washed out and hold no detail.",
        ),
        absent=(
            "The photo is not too bright.",
            "The picture is well exposed; highlights keep their detail.",
            "The light is right: clouds and light surfaces show their structure.",
            "Bright areas are held back and full of detail.",
        ),
    ),
    _opposites(
        "low-contrast",
        "low contrast",
        "contrast",
        present=(
            "The photo has low contrast.",
            "The picture is flat and hazy, all tones are close to one grey.",
            "A veil lies over the scene: no real black, no real white.",
            "Light and dark parts hardly differ.",
        ),
        absent=(
            "The photo has good contrast.",
            "The picture has depth, tones run from deep black to bright white.",
            "The air is clear: there is real black and real white.",
            "Light and dark parts are well told apart.",
        ),
    ),
    _opposites(
        "poor-colours",
        "dull or false colours",
        "colour",
        present=(
            "The colours of the photo are dull or false.",
            "Colours are pale and faded, nearly grey.",
            "A colour cast tints the whole picture; white is not white.",
            "Skin, grass and sky have unnatural colours.",
        ),
        absent=(
            "The colours of the photo are lively and true.",
            "Colours are rich and saturated, none is faded.",
            "There is no colour cast; white is white.",
            "Skin, grass and sky have natural colours.",
        ),
    ),
    _opposites(
        "compression",
        "compression blocks",
        "fidelity",
        present=(
            "The photo shows compression blocks.",
            "It was compressed too strongly: square blocks cover smooth areas.",
            "Edges are surrounded by ringing and mosquito noise from the codec.",
            "Smooth gradients break into blocks and bands, as in a cheap JPEG.",
        ),
        absent=(
            "The photo shows no compression blocks.",
            "It was stored at high quality: smooth areas have no blocks.",
            "Edges are free of ringing; no codec left its marks.",
            "Smooth gradients run without a step, as in an uncompressed picture.",
        ),
    ),
)
"""Every reason that ralikit knows, in the order of the output; docs/contract.md fixes the ids."""
