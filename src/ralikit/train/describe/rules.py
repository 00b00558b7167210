"""Quality texts without a teacher: measurements of a photo, and its MOS level, put into words.

What a reasoning model would see and say, these rules cannot; they only measure. A model aligned to
them must say so (the bundled model's card does).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ralikit.data.metas import Sample
from ralikit.data.triplets import Text, Triplet, TripletWriter, described
from ralikit.errors import DataError
from ralikit.photo.decode import open_photo
from ralikit.photo.degrade import Pixels
from ralikit.photo.statistics import NAMES, PhotoStatistics, measure
from ralikit.train.describe.wording import (
    ADDED,
    EVERYWHERE,
    FAULTS,
    FLAWLESS,
    GRADES,
    LEVELS,
    OPENERS,
    PLACES,
    VERDICTS,
)

Words = Literal["measurements", "measurements-alone", "attributes", "level", "both"]
"""What texts speak of: seven measurements and the level; those measurements in the same words, but
without the level; what is wrong and where it shows; the level; or the last two."""

SOURCE = "rules"
_SHARES = (0.1, 0.35, 0.65, 0.9)
# MOS at which the lowest and the highest verdict are meant; means of opinions seldom go beyond.
_LEVEL_ENDS = (1.6, 4.4)
# What is wrong: the measurement that shows it, and whether a high value does.
_FAULTS = {
    "blurred": ("sharpness", False),
    "noisy": ("noise", True),
    "dark": ("brightness", False),
    "bright": ("brightness", True),
    "flat": ("contrast", False),
    "colourless": ("colourfulness", False),
    "blocky": ("blocking", True),
    "clipped": ("clipping", True),
}
# How much further than the whole photo a cell must go, in spreads of the set: cells vary more.
_LOCAL = 0.25
_LEAST = 32
_DRAWN = ("brightness", "contrast", "colourfulness", "blocking", "noise")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Cut points between the five grades of every measurement, ascending."""

    cuts: dict[str, tuple[float, ...]]

    def grade(self, name: str, value: float) -> int:
        """Grade of a measured value, 0 (low) to 4 (high)."""
        return int(np.searchsorted(self.cuts[name], value))


def fit_rules(statistics: Sequence[PhotoStatistics]) -> Rules:
    """Cut every measurement at the 10th, 35th, 65th and 90th percentile of a set of photos.

    Raises:
        DataError: If there are no photos.
    """
    if not statistics:
        raise DataError("there are no photos to describe")
    return Rules(
        cuts={
            name: tuple(
                float(v) for v in np.quantile([getattr(m, name) for m in statistics], _SHARES)
            )
            for name in NAMES
        }
    )


def level(mos: float) -> int:
    """Which of the nine verdicts fits a MOS on the 1-5 scale, 0 to 8."""
    low, high = _LEVEL_ENDS
    return int(np.clip(round((mos - low) / (high - low) * (len(LEVELS) - 1)), 0, len(LEVELS) - 1))


def describe(
    statistics: PhotoStatistics,
    mos: float,
    rules: Rules,
    *,
    rng: np.random.Generator,
    judged: bool = True,
) -> str:
    """Say what was measured and how good people found it.

    Sharpness always speaks; two more are drawn, those far from ordinary more often. Wording, order
    and whether the verdict comes first are drawn too.

    Args:
        statistics: Of the photo.
        mos: Its opinion score, 1..5.
        rules: Cut points of the set.
        rng: Draws the words; the same state gives the same text.
        judged: Whether the text says how good people found it; the rest is the same without.
    """

    def grade(name: str) -> int:
        return rules.grade(name, getattr(statistics, name))

    def word(name: str) -> str:
        return str(rng.choice(GRADES[name][grade(name)]))

    pull = np.array([abs(grade(name) - 2) + 0.5 for name in _DRAWN])
    drawn = rng.choice(_DRAWN, 2, replace=False, p=pull / pull.sum())
    parts = [word("sharpness"), *(word(str(name)) for name in drawn)]
    parts = [parts[i] for i in rng.permutation(len(parts))]
    verdict = str(rng.choice(VERDICTS)).format(rng.choice(LEVELS[level(mos)]))
    body = str(rng.choice(OPENERS)).format(*parts)
    if rng.random() < 0.35:
        body += f" {word('clipping').capitalize()}."
    if not judged:
        return body
    return f"{verdict} {body}" if rng.random() < 0.5 else f"{body} {verdict}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A photo's statistics, whole and cell by cell (`PLACES`, row by row)."""

    whole: PhotoStatistics
    cells: tuple[PhotoStatistics, ...]


def measure_places(rgb: Pixels) -> Measured:
    """Measure a photo and each of nine equal cells of it."""
    rows, columns = (np.linspace(0, n, 4).astype(int) for n in rgb.shape[:2])
    cells = [
        rgb[rows[r] : rows[r + 1], columns[c] : columns[c + 1]] for r in range(3) for c in range(3)
    ]
    if min(min(cell.shape[:2]) for cell in cells) < _LEAST:
        cells = [rgb] * 9
    return Measured(whole=measure(rgb), cells=tuple(measure(cell) for cell in cells))


def find_faults(measured: Measured, rules: Rules) -> list[tuple[str, str]]:
    """What is wrong with a photo and where it shows, the worst first.

    A fault counts where the whole photo or a cell lies beyond the ordinary; it is everywhere where
    the photo as a whole does, and in the cell that is worst otherwise.
    """
    found = []
    for fault, (name, high) in _FAULTS.items():
        sign = 1.0 if high else -1.0
        values = np.array([sign * getattr(cell, name) for cell in measured.cells])
        limit = sign * rules.cuts[name][-1 if high else 0]
        scale = abs(rules.cuts[name][-1] - rules.cuts[name][0]) or 1.0
        whole = (sign * getattr(measured.whole, name) - limit) / scale
        worst = int(values.argmax())
        local = (values[worst] - limit) / scale - _LOCAL
        if whole >= 0:
            found.append((1.0 + whole, fault, ""))
        elif local > 0:
            found.append((min(local, 1.0), fault, PLACES[worst]))
    return [(fault, place) for _, fault, place in sorted(found, reverse=True)]


def describe_faults(measured: Measured, rules: Rules, *, rng: np.random.Generator) -> str:
    """Say what is wrong and where it shows, never how good the photo is.

    At most three faults, the worst first and the rest drawn; of a photo without any, what is right
    about it.
    """

    def pick(words: Sequence[str]) -> str:
        return str(words[int(rng.integers(len(words)))])

    faults = find_faults(measured, rules)
    if not faults:
        first, second = rng.permutation(len(FLAWLESS))[:2]
        return f"{FLAWLESS[first]} {FLAWLESS[second]}"
    said = faults[:1] + [f for f in faults[1:4] if rng.random() < 0.7]
    parts = [
        f"{pick(FAULTS[fault])} {f'in the {place}' if place else pick(EVERYWHERE)}"
        for fault, place in said[:3]
    ]
    text = f"{parts[0][0].upper()}{parts[0][1:]}."
    return text + "".join(f" {pick(ADDED)} {part}." for part in parts[1:])


def describe_level(mos: float, *, rng: np.random.Generator) -> str:
    """Say how good people found a photo, and nothing else."""
    return str(rng.choice(VERDICTS)).format(rng.choice(LEVELS[level(mos)]))


def _text(
    measured: Measured, mos: float, rules: Rules, words: Words, rng: np.random.Generator
) -> str:
    if words == "level":
        return describe_level(mos, rng=rng)
    if words in {"measurements", "measurements-alone"}:
        return describe(measured.whole, mos, rules, rng=rng, judged=words == "measurements")
    faults = describe_faults(measured, rules, rng=rng)
    if words == "attributes":
        return faults
    verdict = describe_level(mos, rng=rng)
    return f"{verdict} {faults}" if rng.random() < 0.5 else f"{faults} {verdict}"


def describe_rules(
    samples: Sequence[Sample],
    out: Path,
    *,
    texts: int = 5,
    seed: int = 0,
    words: Words = "measurements",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Describe labelled photos and append triplets to `out`; photos already in it are left alone.

    Grades are relative to the given photos, so all of them are measured first. A photo's words
    depend on the seed and its name, not on its place in the list.

    Args:
        samples: Labelled photos.
        out: Triplet file (.jsonl).
        texts: Texts a photo.
        seed: Of the wording.
        words: What they speak of.
        progress: Told how many photos have been measured.

    Returns:
        How many photos were described now.

    Raises:
        PhotoError: If a photo cannot be read.
        DataError: If there are none, or `out` cannot be written.
    """
    if {s.name for s in samples} <= described([out]):
        return 0
    measured = []
    for number, sample in enumerate(samples, start=1):
        photo = open_photo_array(sample.image)
        measured.append(
            measure_places(photo)
            if words in {"attributes", "both"}
            else Measured(whole=measure(photo), cells=())
        )
        if progress is not None:
            progress(number)
    rules = fit_rules([m.whole for m in measured])
    written = 0
    with TripletWriter(out) as writer:
        for sample, statistics in zip(samples, measured, strict=True):
            if sample.name in writer.done:
                continue
            key = zlib.crc32(sample.name.encode())
            said = tuple(
                Text(
                    text=_text(
                        statistics,
                        sample.score,
                        rules,
                        words,
                        np.random.default_rng([seed, k, key]),
                    ),
                    seed=seed + k,
                    source=SOURCE,
                )
                for k in range(texts)
            )
            writer.append(
                Triplet(
                    image=sample.name,
                    score=sample.score,
                    texts=said,
                    dataset=sample.dataset,
                    group=sample.group or "",
                )
            )
            written += 1
    return written


def open_photo_array(path: Path) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """A photo as (H, W, 3) sRGB, reduced to 512 pixels of shortest edge where it is larger.

    Sharpness and noise are per pixel: photos of different sizes compare at one size only.
    """
    from PIL import Image

    photo = open_photo(path)
    if min(photo.size) > 512:
        scale = 512 / min(photo.size)
        size = (round(photo.width * scale), round(photo.height * scale))
        photo = photo.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(photo)
