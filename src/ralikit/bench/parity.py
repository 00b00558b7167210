"""`ralikit bench parity`: the same photos through every file, and how far their scores part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.bench import device
from ralikit.bench.records import Model, Protocol, RanBy, Record
from ralikit.bench.subjects import open_subject
from ralikit.config import from_mapping
from ralikit.errors import PhotoError, UsageError
from ralikit.metrics.agreement import plcc, srcc

WORST = 12


@dataclass(frozen=True, kw_only=True)
class ParityPlan:
    """What to compare.

    Attributes:
        reference: The file or bundle the others are compared with.
        files: The others.
        photos: Photos, each scored by every file.
        mos: Opinion score of a photo by its path, where known; on any scale.
        threads: Threads of the runtimes.
    """

    reference: Path
    files: tuple[Path, ...]
    photos: tuple[Path, ...]
    mos: Mapping[Path, float] | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.files:
            raise UsageError("nothing to compare: pass the reference and at least one more file")
        if len(self.photos) < 3:
            raise UsageError(f"parity needs at least 3 photos, not {len(self.photos)}")


def bench_parity(
    plan: ParityPlan, *, command: str, progress: Callable[[str, float], None] | None = None
) -> list[Record]:
    """Score all photos with every file.

    Returns:
        One parity record a file; `figures` holds the drift from the reference (maximum, 95th
        percentile, mean, on the score scale), SRCC and PLCC with it, and both against MOS where
        given; `photos` the worst ones. The reference's own record comes first.

    Raises:
        UsageError: If a photo cannot be read: a parity figure over other photos than asked for
            would be another figure.
    """
    tell = progress or (lambda _what, _done: None)
    paths = [plan.reference, *plan.files]
    scores: list[NDArray[np.float64]] = []
    loaded: list[tuple[Model, RanBy, str]] = []
    for number, path in enumerate(paths):
        tell(f"loading {path.name}", number / len(paths))
        subject = open_subject(path, backend="auto", threads=plan.threads)
        values = np.empty(len(plan.photos))
        shape: tuple[int, ...] = ()
        from ralikit.photo.views import load_views

        for index, photo in enumerate(plan.photos):
            tell(path.name, (number + index / len(plan.photos)) / len(paths))
            try:
                views = load_views(photo, subject.preprocess)
            except PhotoError as error:
                raise UsageError(f"parity scores every photo or none: {error}") from error
            values[index] = subject.runtime.run(views)
            shape = views.shape
        name, _, version = subject.runtime.name.partition(" ")
        runtime = RanBy(name=name, version=version, unit=subject.runtime.unit, threads=plan.threads)
        model = from_mapping(Model, {**subject.model, "input": list(shape)})
        loaded.append((model, runtime, subject.runtime.note))
        scores.append(values)
    mos = None if plan.mos is None else np.array([plan.mos[p] for p in plan.photos])
    run = f"parity-{device.now()}"
    return [
        Record(
            kind="parity",
            run=run,
            time=device.now(),
            commit=device.commit(),
            model=model,
            device=device.host(),
            runtime=runtime,
            protocol=Protocol(
                quick=False, rounds=1, warmups=0, cooldown_s=0.0, command=command, note=note
            ),
            figures=figures(values, scores[0], mos) | {"reference": paths[0].name},
            photos=_worst(plan.photos, values, scores[0]) if values is not scores[0] else (),
        )
        for (model, runtime, note), values in zip(loaded, scores, strict=True)
    ]


def figures(
    scores: NDArray[np.float64],
    reference: NDArray[np.float64],
    mos: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """Drift and agreement of two score lists over the same photos, (n,) each.

    Args:
        scores: Scores under test.
        reference: Scores compared with.
        mos: Opinion scores, on any scale, or None.
    """
    drift = np.abs(scores - reference)
    found: dict[str, Any] = {
        "photos": len(scores),
        "max_drift": float(drift.max()),
        "p95_drift": float(np.percentile(drift, 95)),
        "mean_drift": float(drift.mean()),
        "srcc": srcc(scores, reference),
        "plcc": plcc(scores, reference),
        "spread": float(reference.std()),
    }
    if mos is not None:
        found |= {"srcc_mos": srcc(scores, mos), "plcc_mos": plcc(scores, mos)}
    return found


def _worst(
    photos: Sequence[Path], scores: NDArray[np.float64], reference: NDArray[np.float64]
) -> tuple[dict[str, Any], ...]:
    order = np.argsort(-np.abs(scores - reference), kind="stable")[:WORST]
    return tuple(
        {"name": photos[i].name, "score": float(scores[i]), "reference": float(reference[i])}
        for i in order
    )
