"""The quickstart's page: what was proved, what it costs, and what to do next in an app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.export.manifest import manifest_path
from ralikit.files import read_json, size_bytes
from ralikit.model.bundle import Bundle
from ralikit.report import page, plots
from ralikit.report.choice import run_by, times_a_runtime
from ralikit.report.page import Photo, Section, Table, megabytes, milliseconds, number, thumbnail
from ralikit.typed import typed

if TYPE_CHECKING:
    from PIL.Image import Image

    from ralikit.scorer import Score, Scorer

LEVELS = 6
"""Of a degraded photo: as it is, then the five severities."""


@dataclass(frozen=True)
class Curve:
    """Scores of one photo as one degradation grows: level 0 is the photo as it is."""

    photo: str
    kind: str
    scores: tuple[float, ...]

    @property
    def rises(self) -> int:
        """Steps at which a worse photo scored higher."""
        return sum(b > a for a, b in zip(self.scores, self.scores[1:], strict=False))


def first_look(
    out: Path,
    bundle: Bundle,
    *,
    scorer: Scorer,
    photos: Mapping[str, Image],
    scores: Mapping[str, Score],
    curves: Sequence[Curve],
    files: Mapping[str, Path],
    verified: Mapping[str, float],
    records: Sequence[Record],
) -> str:
    """The page as HTML.

    Args:
        out: The folder of all that was made.
        bundle: The model.
        scorer: What scored.
        photos: What was scored, by name.
        scores: What it gave them.
        curves: What it gave degraded ones.
        files: The exported files by target, with their manifests beside them.
        verified: Largest difference on the golden photos, by target.
        records: A latency record of each file, in their order.
    """
    lead = (
        f"Model {bundle.info.name}: scores on the 1-5 scale of mean opinion scores, made on this "
        "computer, offline, from photos that scikit-learn and scikit-image bring along."
    )
    parts = [
        _brief_section(files, records, curves, bundle),
        _scores_section(scorer, photos, scores),
        _curves_section(curves),
        _files_section(files, verified, records, bundle),
        _next_section(out, files, bundle),
    ]
    return page.html("ralikit quickstart", lead, parts)


def _brief_section(
    files: Mapping[str, Path], records: Sequence[Record], curves: Sequence[Curve], bundle: Bundle
) -> Section:
    """What was proved, what it costs, and one picture of both."""
    paths = list(files.values())
    parities = [_parity(file) for file in paths]
    worst = max(p["max_drift"] for p in parities)
    counts = sorted({int(p["photos"]) for p in parities})
    many = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    steps = len(curves) * (LEVELS - 1)
    lower = steps - sum(curve.rises for curve in curves)
    timed = [(f, r) for f, r in zip(paths, records, strict=True) if times_a_runtime(r)]
    seconds = [summarise(r.samples["end_to_end_s"]).median for _, r in timed]
    float32, sizes = 4 * bundle.tower_numbers(), [size_bytes(file) for file in paths]
    text = (
        f"Proved: each of the {len(files)} files was run on {many} photos, and no score lies more "
        f"than {number(worst)} from the float32 model's; their order is kept (SRCC "
        f"{number(min(p['srcc'] for p in parities), digits=4)} or more). Each was then verified "
        f"from the file alone. A worse photo scored lower in {lower} of {steps} steps.",
        f"It costs: {megabytes(max(sizes))} a file, where float32 takes "
        f"{megabytes(float32)}; from a 12-megapixel JPEG to its score {min(seconds) * 1e3:.0f} ms "
        "here, on one thread. A phone's speed shows only on the phone.",
        "Next: ten lines in Kotlin, Swift, JavaScript or C++ (docs/platforms/README.md), with one "
        "of these files.",
    )
    names = [file.name for file in paths]
    figure = plots.panels(
        (
            (
                "size, MB",
                ["float32", *names],
                [size / 1e6 for size in (float32, *sizes)],
            ),
            (
                "largest difference from the float32 score",
                names,
                [p["max_drift"] for p in parities],
            ),
            ("12 MP JPEG to score, ms", [f.name for f, _ in timed], [s * 1e3 for s in seconds]),
        ),
        caption="Size, drift and time here of the exported files.",
    )
    return Section(title="In short", text=text, figures=(figure,), pictures_first=True)


def _parity(file: Path) -> dict[str, float]:
    found: dict[str, float] = read_json(manifest_path(file))["parity"]
    return found


def _scores_section(
    scorer: Scorer, photos: Mapping[str, Image], scores: Mapping[str, Score]
) -> Section:
    ranked = sorted(scores.items(), key=lambda item: -item[1].value)
    width = scorer.tie_width
    text = (
        []
        if width is None
        else [f"Scores closer than {width:.2f} are not told apart by the model."]
    )
    return Section(
        title="Photos and their scores",
        text=tuple(text),
        photos=tuple(
            Photo(
                name=f"{name}: {score.value:.2f}",
                detail=f"{photos[name].width} x {photos[name].height}",
                picture=thumbnail(photos[name]),
                score=score.value,
            )
            for name, score in ranked
        ),
    )


def _curves_section(curves: Sequence[Curve]) -> Section:
    kinds = list(dict.fromkeys(c.kind for c in curves))
    figures = []
    for kind in kinds:
        mine = [c for c in curves if c.kind == kind]
        levels = list(range(LEVELS))
        rises = sum(c.rises for c in mine)
        steps = len(mine) * (LEVELS - 1)
        figures.append(
            plots.lines(
                {c.photo: (levels, c.scores) for c in mine},
                x_label=f"{kind}: strength",
                y_label="score",
                caption=f"{kind.capitalize()}: {steps - rises} of {steps} steps lowered the score.",
                x_ticks=["none", "slight", "moderate", "obvious", "serious", "catastr."],
            )
        )
    text = ("A worse photo must score lower: each line is one photo, degraded step by step.",)
    return Section(title="Score against degradation", text=text, figures=tuple(figures))


def _files_section(
    files: Mapping[str, Path],
    verified: Mapping[str, float],
    records: Sequence[Record],
    bundle: Bundle,
) -> Section:
    rows = []
    for (target, file), record in zip(files.items(), records, strict=True):
        parity = _parity(file)
        timing = summarise(record.samples["inference_s"])
        end_to_end = summarise(record.samples["end_to_end_s"])
        told = times_a_runtime(record)
        rows.append(
            (
                file.name,
                run_by(record) + (" *" if record.protocol.note else ""),
                megabytes(size_bytes(file)),
                milliseconds(timing.median if told else None),
                milliseconds(end_to_end.median if told else None),
                megabytes(record.memory.peak_bytes if told and record.memory else None),
                number(parity["max_drift"]),
                number(parity["p95_drift"]),
                number(parity["srcc"], digits=5),
                number(verified[target]),
            )
        )
    notes = dict.fromkeys(f"* {r.protocol.note}" for r in records if r.protocol.note)
    first = records[0]
    table = Table(
        title="The same model, a file a target",
        columns=(
            "file",
            "run by",
            "size",
            "inference, median",
            "12 MP JPEG to score",
            "peak memory",
            "max drift",
            "p95 drift",
            "SRCC",
            "golden photos",
        ),
        rows=tuple(rows),
        conditions=(
            f"A quick look on {first.device.chip}, {first.device.cores} cores, 1 thread, in "
            "interleaved rounds; a phone's speed shows only on the phone.",
            "Drift and SRCC: the converted file against the float32 reference on the gate's "
            "photos. Golden photos: largest difference that ralikit verify found, from the file "
            "alone.",
            f"The bundle stores its weights in 16 bits, {megabytes(size_bytes(bundle.tower_file))};"
            f" in float32 they are {megabytes(4 * bundle.tower_numbers())}.",
            *notes,
        ),
    )
    return Section(title="Exported files", tables=(table,))


def _next_section(out: Path, files: Mapping[str, Path], bundle: Bundle) -> Section:
    first, ours = next(iter(files.values())), typed("ralikit")
    return Section(
        title="What next",
        text=(
            f"Score your own photos: {ours} score PHOTO... or {ours} rank FOLDER.",
            f"With an exported file: {ours} score PHOTO --model {first}.",
            f"Check a file anywhere: {ours} verify {first}.",
            "In an app: docs/platforms/README.md, in Kotlin, Swift, JavaScript and C++.",
            f"Everything made here lies in {out}.",
            bundle.info.notice,
        ),
    )
