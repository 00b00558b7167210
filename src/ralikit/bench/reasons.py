"""`ralikit bench reasons`: is the fault that was planted the first that a model names?

Every rendering of every fault (`ralikit.photo.faults`), the two that fitting used and the two that
it never saw, is planted at three strengths in good photos; the same photos and others are looked at
as they are. A fault is planted at the size at which the model looks: on a large photo it would
vanish in the reduction while its name stayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.bench import device
from ralikit.bench.records import Model, Protocol, RanBy, Record
from ralikit.bench.subjects import Subject, open_subject
from ralikit.config import from_mapping
from ralikit.errors import UsageError
from ralikit.export.gate.parity import first_named
from ralikit.metrics.roc import area
from ralikit.photo.decode import open_photo
from ralikit.photo.faults import RENDERINGS, plant
from ralikit.photo.resample import resize_image
from ralikit.photo.views import Preprocess, make_views
from ralikit.runtimes import Views, checked_reasons

STRENGTHS = {"weak": 0.2, "medium": 0.55, "strong": 0.9}
"""Of the three copies of every rendering."""

_CLEAN = -1
_RESAMPLES = 1000

Floats = NDArray[np.float64]
Tell = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True)
class ReasonsPlan:
    """What to check.

    Attributes:
        files: Files or bundles; the others are also compared with the first.
        plant: Good photos in which faults are planted, none of which fitting used.
        clean: Further good photos, looked at as they are.
        seed: Of directions, noise and tints.
        threads: Threads of the runtimes.
    """

    files: tuple[Path, ...]
    plant: tuple[Path, ...]
    clean: tuple[Path, ...] = ()
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.files or not self.plant:
            raise UsageError("a check of reasons needs a model, and photos to plant faults in")


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """What a model gave on every case, in the order of the cases.

    Attributes:
        photo: Which photo each case is of, (n,).
        rendering: Number of what was planted, (n,); -1: nothing.
        strength: (n,); 0 where nothing was.
        values: Every reason, (n, K).
        ids: The reasons' ids, K.
    """

    photo: NDArray[np.int64]
    rendering: NDArray[np.int64]
    strength: Floats
    values: Floats
    ids: tuple[str, ...]

    @property
    def first(self) -> NDArray[np.int64]:
        """Number of the reason that is named first, (n,); -1: none is."""
        return first_named(self.values)

    @property
    def truth(self) -> NDArray[np.int64]:
        """Number of the reason that was planted, (n,); -1: none, -2: one that the model lacks."""
        known = {name: number for number, name in enumerate(self.ids)}
        owners = np.array([*(known.get(r.reason, -2) for r in RENDERINGS), _CLEAN])
        found: NDArray[np.int64] = owners[self.rendering]
        return found


def bench_reasons(plan: ReasonsPlan, *, command: str, progress: Tell | None = None) -> list[Record]:
    """Look at every case with every file.

    Returns:
        One record a file: `figures` as `figures` makes them, `samples` the case by case outcome.

    Raises:
        UsageError: If a model has no bank of reasons, or a photo cannot be read.
    """
    tell = progress or (lambda _what, _done: None)
    looked: list[tuple[Subject, Looked]] = []
    for number, path in enumerate(plan.files):
        subject = open_subject(path, backend="auto", threads=plan.threads)
        if not subject.runtime.facts.reasons:
            raise UsageError(f"{path} has no bank of reasons: there is nothing to check")

        def told(share: float, name: str = path.name, number: int = number) -> None:
            tell(name, (number + share) / len(plan.files))

        looked.append((subject, look(subject, plan, told)))
    run, reference = f"reasons-{device.now()}", looked[0][1]
    return [
        _record(subject, found, reference, run=run, command=command, threads=plan.threads)
        for subject, found in looked
    ]


def look(subject: Subject, plan: ReasonsPlan, told: Callable[[float], None]) -> Looked:
    """Every case through one model, photo by photo."""
    infos, preprocess = subject.runtime.facts.reasons, subject.preprocess
    photos = [*plan.plant, *plan.clean]
    photo, rendering, strength, values = [], [], [], []

    def note(number: int, what: int, how: float, views: Views) -> None:
        given = subject.runtime.outputs(views)["reasons"]
        photo.append(number)
        rendering.append(what)
        strength.append(how)
        values.append(checked_reasons(given, len(infos), where=subject.model["name"]))

    for number, path in enumerate(photos):
        pixels = _at_size(path, preprocess)
        note(number, _CLEAN, 0.0, make_views(pixels, preprocess))
        for index, what in enumerate(RENDERINGS if number < len(plan.plant) else ()):
            for step, how in enumerate(STRENGTHS.values()):
                rng = np.random.default_rng([plan.seed, number, index, step])
                copy = plant(pixels, what, how, rng=rng)
                note(number, index, how, make_views(copy, preprocess))
        told((number + 1) / len(photos))
    return Looked(
        photo=np.array(photo),
        rendering=np.array(rendering),
        strength=np.array(strength),
        values=np.stack(values).astype(np.float64),
        ids=tuple(info.id for info in infos),
    )


def _at_size(path: Path, preprocess: Preprocess) -> NDArray[np.uint8]:
    photo = open_photo(path)
    size = preprocess.resized(*photo.size)
    return np.asarray(resize_image(photo, size, resample=preprocess.resample))


def figures(looked: Looked, reference: Looked | None = None) -> dict[str, Any]:
    """What a record says of it.

    Args:
        looked: From `look`.
        reference: The same cases by the float file, to agree with; None: this is it.

    Returns:
        `right`: by strength, the share of planted copies whose fault is the first named, with a
        95 % interval over photos, and of renderings fitted on and kept out apart; `by_reason` and
        `by_rendering`: the same of each; `none`: share of photos as they are of which no reason is
        named; `auc`: of each reason, its medium and strong copies against all cases without it;
        `same_first`: share of all cases whose first named reason is the reference's.
    """
    truth, first, planted = looked.truth, looked.first, looked.rendering >= 0
    right = (truth == first).astype(float)
    held = np.array([*(r.held_out for r in RENDERINGS), False])[looked.rendering]
    clear = looked.strength >= STRENGTHS["medium"]
    at = {name: planted & (looked.strength == how) for name, how in STRENGTHS.items()}
    found: dict[str, Any] = {
        "photos": len(set(looked.photo[planted].tolist())),
        "clean_photos": int((~planted).sum()),
        "right": {
            name: {
                **_share(right, rows, looked.photo),
                "fitted": _mean(right[rows & ~held]),
                "held_out": _mean(right[rows & held]),
            }
            for name, rows in at.items()
        },
        "none": _share((first == _CLEAN).astype(float), ~planted, looked.photo),
        "by_reason": {
            reason: {name: _mean(right[rows & (truth == k)]) for name, rows in at.items()}
            for k, reason in enumerate(looked.ids)
        },
        "by_rendering": {
            r.name: {
                name: _mean(right[rows & (looked.rendering == i)]) for name, rows in at.items()
            }
            for i, r in enumerate(RENDERINGS)
        },
        "auc": {
            reason: area(looked.values[clear & (truth == k), k], looked.values[truth != k, k])
            for k, reason in enumerate(looked.ids)
        },
    }
    if reference is not None:
        found["same_first"] = _mean((first == reference.first).astype(float))
        found["max_drift"] = float(np.abs(looked.values - reference.values).max())
        found["p95_drift"] = float(
            np.percentile(np.abs(looked.values - reference.values).max(axis=1), 95)
        )
    return found


def _mean(values: NDArray[np.floating]) -> float | None:
    return float(values.mean()) if len(values) else None


def _share(
    values: NDArray[np.floating], rows: NDArray[np.bool_], photo: NDArray[np.int64]
) -> dict[str, float | None]:
    """A share with its 95 % interval: whole photos are drawn, since copies of one are alike."""
    if not rows.any():
        return {"value": None, "low": None, "high": None}
    owners, which = np.unique(photo[rows], return_inverse=True)
    hits = np.bincount(which, weights=values[rows])
    cases = np.bincount(which)
    drawn = np.random.default_rng(0).integers(len(owners), size=(_RESAMPLES, len(owners)))
    shares = hits[drawn].sum(axis=1) / cases[drawn].sum(axis=1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return {"value": float(hits.sum() / cases.sum()), "low": float(low), "high": float(high)}


def _record(
    subject: Subject, looked: Looked, reference: Looked, *, run: str, command: str, threads: int
) -> Record:
    name, _, version = subject.runtime.name.partition(" ")
    shape = list(subject.runtime.facts.shape)
    other = None if looked is reference else reference
    return Record(
        kind="reasons",
        run=run,
        time=device.now(),
        commit=device.commit(),
        model=from_mapping(Model, {**subject.model, "input": shape}),
        device=device.host(),
        runtime=RanBy(name=name, version=version, unit=subject.runtime.unit, threads=threads),
        protocol=Protocol(
            quick=False,
            rounds=1,
            warmups=0,
            cooldown_s=0.0,
            command=command,
            note=subject.runtime.note,
        ),
        samples={
            "photo": looked.photo.tolist(),
            "rendering": looked.rendering.tolist(),
            "strength": looked.strength.tolist(),
            "first": looked.first.tolist(),
            "highest": np.round(looked.values.max(axis=1), 4).tolist(),
        },
        figures=figures(looked, other),
    )
