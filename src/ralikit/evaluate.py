"""Score whole labelled sets with bundles, exported files or teachers, and measure agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.data.metas import (
    MetaSpec,
    Sample,
    read_meta,
    require_images,
    require_one_score,
    rescale,
    select_split,
)
from ralikit.data.papers import PaperSet, known_set, paper_rows
from ralikit.errors import DataError, PhotoError, UsageError
from ralikit.extras import require
from ralikit.files import sha256_path, size_bytes
from ralikit.metrics.agreement import Agreement, Difference, agreement, paired_difference
from ralikit.models import resolve
from ralikit.runtimes import format_of
from ralikit.scorer import load

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class EvalSet:
    """A labelled set, read and selected.

    Attributes:
        name: Name of the set.
        split: The split that was kept, or None.
        samples: Its photos.
        notes: What a reader of the figures must know.
    """

    name: str
    split: str | None
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    @property
    def mos(self) -> Floats:
        """Opinion scores on 1..5, (n,)."""
        return np.array([s.score for s in self.samples])

    @property
    def paper(self) -> PaperSet | None:
        """The papers' set of this name, where it is one."""
        return known_set(self.name)


@dataclass(frozen=True, kw_only=True)
class EvalModel:
    """Something that scores photos.

    Attributes:
        name: Short name.
        scores: Paths of photos -> their scores on 1..5, in order, one by one.
        model: What a record says of it (`ralikit.bench.records.Model`, without the input).
        runtime: What runs it, name and version.
        note: A caveat a reader must see, or "".
    """

    name: str
    scores: Callable[[Iterable[Path]], Iterator[float]]
    model: dict[str, Any]
    runtime: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """One model on one set; `difference` is against the first model on the same photos."""

    model: EvalModel
    data: EvalSet
    scores: Floats
    agreement: Agreement
    difference: Difference | None = None
    seconds: float = field(default=0.0, compare=False)

    def figures(self) -> dict[str, Any]:
        """JSON-ready figures: dataset, photos, every metric with its interval, the papers' rows."""
        found: dict[str, Any] = {
            "model": self.model.name,
            "dataset": self.data.name,
            "split": self.data.split,
            "photos": self.agreement.count,
            "notes": list(self.data.notes),
        }
        for name, figure in self.agreement.figures():
            key = "plcc_raw" if name == "plcc" else name
            found[key] = {"value": figure.value, "low": figure.low, "high": figure.high}
        if self.difference is not None:
            found["srcc_difference"] = to_mapping(self.difference) | {"tie": self.difference.tie}
        paper = self.data.paper
        if paper is not None:
            found["papers"] = [to_mapping(row) for row in paper_rows(paper.key)]
        return found


def load_set(spec: MetaSpec, *, lenient_split: bool = False) -> EvalSet:
    """Read a set for evaluation; every image must be there.

    Where a scale is needed and none is given, the file's own minimum and maximum are taken (the
    published rule) and a note says so: correlations do not depend on it, RMSE and MAE do.

    Args:
        spec: Label file, root, range, split.
        lenient_split: A file without splits is taken whole, with a note.

    Raises:
        DataError: If labels or images are not what was declared.
        UsageError: If the split or a column is unknown.
    """
    notes = []
    mos_range = spec.mos_range
    if mos_range is None and spec.path.suffix.lower() != ".json":
        mos_range = "observed"
    samples = read_meta(
        spec.path, spec.root, mos_range=mos_range, dataset=spec.dataset, columns=spec.columns
    )
    if spec.mos_range is None and mos_range == "observed":
        low, high = min(s.raw for s in samples), max(s.raw for s in samples)
        notes.append(
            f"the MOS scale was not given: the file's own ends, {low:g} to {high:g}, stand for "
            "1 to 5; RMSE and MAE depend on that (--mos-range LOW,HIGH states it)"
        )
    split = spec.split
    if split is not None:
        if lenient_split and all(s.split is None for s in samples):
            notes.append(f"the labels name no splits: all {len(samples)} photos are used")
            split = None
        else:
            samples = select_split(samples, split)
    require_images(samples)
    again = require_one_score(samples)
    if again:
        notes.append(f"{again} labels repeat a photo, which counts as often as it stands there")
    name = spec.dataset or samples[0].dataset
    paper = known_set(name)
    if paper is not None and paper.photos not in (None, len(samples)):
        notes.append(
            f"the papers' figures are over {paper.photos} photos, these over {len(samples)}"
        )
    return EvalSet(name=name, split=split, samples=tuple(samples), notes=tuple(notes))


def score_set(
    model: EvalModel, data: EvalSet, *, progress: Callable[[int], object] | None = None
) -> Floats:
    """Score every photo of a set, (n,).

    Raises:
        DataError: If a photo cannot be scored: a figure over other photos would be another figure.
    """
    scores: list[float] = []
    try:
        for score in model.scores(s.image for s in data.samples):
            scores.append(score)
            if progress is not None:
                progress(len(scores))
    except PhotoError as error:
        raise DataError(f"{data.name} cannot be evaluated whole: {error}") from error
    if len(scores) != len(data.samples):
        raise DataError(
            f"{model.name} gave {len(scores)} scores for the {len(data.samples)} photos of "
            f"{data.name}"
        )
    return np.array(scores)


def evaluate(
    models: Sequence[EvalModel],
    sets: Sequence[EvalSet],
    *,
    resamples: int = 1000,
    seed: int = 0,
    progress: Callable[[str, int, int], object] | None = None,
) -> list[EvalResult]:
    """Measure every model on every set, the later models against the first by paired bootstrap.

    Args:
        models: The first is what the others are compared with.
        sets: Labelled sets.
        resamples: Bootstrap resamples.
        seed: Of the resampling.
        progress: Called with a label, photos done, photos in all.

    Raises:
        DataError: If a photo cannot be scored or the scores allow no figure.
    """
    import time

    require("scipy", extra="train", job="Evaluation")
    results = []
    for data in sets:
        first: Floats | None = None
        for model in models:
            label, begun = f"{model.name} on {data.name}", time.perf_counter()

            def tell(done: int, label: str = label, total: int = len(data.samples)) -> None:
                if progress is not None:
                    progress(label, done, total)

            scores = score_set(model, data, progress=tell)
            seconds = time.perf_counter() - begun
            try:
                measured = agreement(scores, data.mos, resamples=resamples, seed=seed)
            except DataError as error:
                raise DataError(f"{label}: {error}") from error
            result = EvalResult(
                model=model, data=data, scores=scores, agreement=measured, seconds=seconds
            )
            if first is None:
                first = scores
            else:
                difference = paired_difference(
                    first, scores, data.mos, resamples=resamples, seed=seed
                )
                result = replace(result, difference=difference)
            results.append(result)
    return results


def open_model(name: str, *, threads: int | None = None, seeds: Sequence[int] = ()) -> EvalModel:
    """Open a bundle or exported file, a teacher's folder, or a model in the package by its name.

    Args:
        name: As `ralikit.models.resolve` takes it.
        threads: Threads of the runtime; None leaves its default.
        seeds: Of a teacher: the mean of the ratings in one answer each; none takes its likeliest.

    Raises:
        UsageError: If it is none of these, or seeds are given to what is no teacher.
        BundleError: If it is incomplete or altered.
    """
    found = resolve(name)
    path = found.path
    if found.kind == "teacher":
        return _open_teacher(path, seeds)
    if seeds:
        raise UsageError(f"{name} is no teacher: it scores the same every time and takes no seeds")
    scorer = load(path, threads=threads)
    ends = (scorer.scale.minimum, scorer.scale.maximum)
    facts = scorer.runtime.facts

    def scores(photos: Iterable[Path]) -> Iterator[float]:
        for score in scorer.score_many(photos):
            yield rescale(score.value, ends)

    return EvalModel(
        name=scorer.name if found.kind == "bundle" else path.name,
        scores=scores,
        model={
            "name": scorer.name,
            "hash": sha256_path(path),
            "bundle": facts.model.bundle,
            "format": "bundle" if found.kind == "bundle" else format_of(path),
            "precision": facts.precision or "fp32",
            "size_bytes": size_bytes(path),
            "weights": facts.model.weights,
        },
        runtime=scorer.runtime.name,
        note=scorer.runtime.note,
    )


def _open_teacher(path: Path, seeds: Sequence[int]) -> EvalModel:
    require("transformers", extra="teacher", job="Evaluating a teacher")
    from ralikit.train.teacher.scorer import TeacherScorer

    teacher = TeacherScorer(path, seeds=seeds)
    how = (
        f"the mean rating of {len(seeds)} answers"
        if seeds
        else "the rating in its likeliest answer"
    )
    return EvalModel(
        name=path.name,
        scores=lambda photos: (float(teacher.score(photo)) for photo in photos),
        model={
            "name": path.name,
            "hash": sha256_path(path),
            "bundle": "",
            "format": "torch",
            "precision": "unknown",
            "size_bytes": size_bytes(path),
            "weights": "trained",
        },
        runtime=f"transformers {version('transformers')}",
        note=f"a teacher: {how}",
    )
