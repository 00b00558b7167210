"""Score whole labelled sets with bundles, exported files or teachers, and measure agreement."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

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
        scores: Paths of photos -> their scores on 1..5, in order, one by one; NaN for a photo that
            a teacher gives no rating.
        model: What a record says of it (`ralikit.bench.records.Model`, without the input).
        runtime: What runs it, name and version.
        unit: What computes, as records name it (`ralikit.runtimes.Runtime`).
        note: A caveat a reader must see, or "".
    """

    name: str
    scores: Callable[[Iterable[Path]], Iterator[float]]
    model: dict[str, Any]
    runtime: str
    unit: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """One model on one set.

    Attributes:
        model: What scored.
        data: The set.
        scores: (n,), NaN where there is none: those photos are left out of every figure.
        agreement: With the opinion scores.
        difference: Against the first model, on the photos that both have scored.
        seconds: Time taken.
    """

    model: EvalModel
    data: EvalSet
    scores: Floats
    agreement: Agreement
    difference: Difference | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def unrated(self) -> tuple[str, ...]:
        """Names of the photos that have no score."""
        missing = np.flatnonzero(np.isnan(self.scores))
        return tuple(self.data.samples[i].name for i in missing)

    def figures(self) -> dict[str, Any]:
        """JSON-ready figures: dataset, photos, every metric with its interval, the papers' rows."""
        found: dict[str, Any] = {
            "model": self.model.name,
            "dataset": self.data.name,
            "split": self.data.split,
            "photos": self.agreement.count,
            "notes": list(self.data.notes),
        }
        if self.unrated:
            found["unrated"] = list(self.unrated)
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
    """Score every photo of a set, (n,); NaN where a teacher gives no rating.

    Raises:
        DataError: If a photo cannot be read: a figure over other photos would be another figure.
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
            rated = np.isfinite(scores)
            try:
                measured = agreement(scores[rated], data.mos[rated], resamples=resamples, seed=seed)
            except DataError as error:
                raise DataError(f"{label}: {error}") from error
            result = EvalResult(
                model=model, data=data, scores=scores, agreement=measured, seconds=seconds
            )
            if first is None:
                first = scores
            else:
                both = rated & np.isfinite(first)
                difference = paired_difference(
                    first[both], scores[both], data.mos[both], resamples=resamples, seed=seed
                )
                result = replace(result, difference=difference)
            results.append(result)
    return results


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """How teachers are asked; other models have no use for it.

    Attributes:
        seeds: The mean of the ratings in one answer each; none takes the likeliest answer.
        prompt: A prompt that asks for a rating; None takes the one it was trained with.
        engine: Library that runs it.
        device: ``cpu``, ``cuda`` ... of transformers; None takes a GPU where there is one.
        max_tokens: Bound on an answer.
        max_pixels: Larger photos are reduced to so many pixels; None: as it was trained.
        batch: Answers at a time; None takes 16, of vLLM 512.
        answers: File that answers are written to as they come; with them in it, a stopped run goes
            on. None keeps none.
    """

    seeds: tuple[int, ...] = ()
    prompt: str | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
    device: str | None = None
    max_tokens: int = 512
    max_pixels: int | None = None
    batch: int | None = None
    answers: Path | None = None


def open_model(
    name: str, *, threads: int | None = None, teacher: TeacherOptions | None = None
) -> EvalModel:
    """Open a bundle or exported file, a teacher, or a model in the package by its name.

    Args:
        name: As `ralikit.models.resolve` takes it, or a published teacher's name on the hub, e.g.
            ``ByteDance/Q-Insight/score_degradation``; of other hub teachers ``hub:OWNER/NAME``.
        threads: Threads of the runtime; None leaves its default.
        teacher: How a teacher is asked.

    Raises:
        UsageError: If it is none of these, or seeds are given to what is no teacher.
        BundleError: If it is incomplete or altered.
    """
    asked = teacher or TeacherOptions()
    hub = _hub_name(name)
    if hub is not None:
        return _open_teacher(hub, asked)
    found = resolve(name)
    path = found.path
    if found.kind == "teacher":
        return _open_teacher(str(path), asked)
    if asked.seeds:
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
        unit=scorer.runtime.unit,
        note=scorer.runtime.note,
    )


def _hub_name(name: str) -> str | None:
    """The hub name that is meant; None where a file or folder is, or a bundled model."""
    from ralikit.train.teacher.prompts import released_prompt

    if name.startswith("hub:"):
        return name.removeprefix("hub:")
    known = released_prompt(name) is not None and not Path(name).exists()
    return name if known else None


def _open_teacher(name: str, asked: TeacherOptions) -> EvalModel:
    require("transformers", extra="teacher", job="Evaluating a teacher")
    from ralikit.train.teacher.engines import Asking
    from ralikit.train.teacher.scorer import open_answers, open_teacher
    from ralikit.train.teacher.vlm import local_folder, taught_pixels, taught_prompt

    folder = local_folder(name)
    asking = Asking(
        temperature=1.0 if asked.seeds else 0.0,
        max_tokens=asked.max_tokens,
        max_pixels=asked.max_pixels or taught_pixels(name),
        batch=asked.batch or (512 if asked.engine == "vllm" else 16),
    )
    teacher = open_teacher(
        folder,
        prompt=asked.prompt or taught_prompt(name),
        seeds=asked.seeds,
        asking=asking,
        kind=asked.engine,
        device=asked.device,
    )

    def scores(photos: Iterable[Path]) -> Iterator[float]:
        with ExitStack() as stack:
            kept = None
            if asked.answers is not None:
                kept = stack.enter_context(open_answers(asked.answers, teacher, asking))
            for rating in teacher.ratings(photos, answers=kept):
                yield math.nan if rating.value is None else rating.value

    label = folder.name if Path(name).is_dir() else name
    how = (
        f"the mean rating of {len(asked.seeds)} answers"
        if asked.seeds
        else "the rating in its likeliest answer"
    )
    return EvalModel(
        name=label,
        scores=scores,
        model={
            "name": label,
            "hash": sha256_path(folder),
            "bundle": "",
            "format": "torch",
            "precision": "unknown",
            "size_bytes": size_bytes(folder),
            "weights": "trained",
        },
        runtime=f"{asked.engine} {version(asked.engine)}",
        unit=teacher.unit,
        note=f"a teacher: {how}, photos of at most {asking.max_pixels} pixels",
    )
