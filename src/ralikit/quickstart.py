"""`ralikit quickstart`: score, export, verify and time here, and a page that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ralikit.errors import RalikitError
from ralikit.export.targets import everyday
from ralikit.extras import hush_imports, require_installed
from ralikit.files import size_bytes, write_text
from ralikit.model.bundle import Bundle
from ralikit.progress import Tell

if TYPE_CHECKING:
    from PIL.Image import Image

    from ralikit.bench.records import Record
    from ralikit.report.page import Section
    from ralikit.scorer import Score, Scorer


PRECISION = "int8"
_JOB = "The quickstart"
_LEVELS = 6  # the photo as it is, then the five severities


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


def quickstart(out: Path, bundle: Bundle, *, tell: Tell = lambda _what, _done: None) -> Path:
    """Run the whole product once and write ``report.html``.

    Args:
        out: Folder for the exported files, the records and the report; made anew or filled up.
        bundle: The model.
        tell: Told the stage and the share done, 0..1.

    Returns:
        The report.

    Raises:
        RalikitError: If any stage fails; no report is written then.
        MissingExtraError: If a target's libraries are not installed, before any work is done.
    """
    for target in everyday():
        target.require(_JOB)
    for module, extra in (
        ("skimage", "export"),
        ("sklearn", "export"),
        ("matplotlib", "bench"),
        ("jinja2", "bench"),
    ):
        require_installed(module, extra=extra, job=_JOB)
    hush_imports()
    from ralikit.report import page
    from ralikit.scorer import load

    tell("scoring photos", 0.0)
    photos = packaged_photos()
    scorer = load(bundle.root)
    scores = {name: scorer.score(photo) for name, photo in photos.items()}
    tell("scoring degraded photos", 0.05)
    curves = degradation_curves(scorer, photos)
    files = _export(out, bundle, lambda what, done: tell(what, 0.15 + 0.6 * done))
    tell("verifying", 0.75)
    verified = _verify(files)
    records = _time(out, files, lambda what, done: tell(what, 0.8 + 0.18 * done))
    tell("writing the report", 0.98)
    sections = [
        _scores_section(scorer, photos, scores),
        _curves_section(curves),
        _files_section(files, verified, records, bundle),
        _next_section(out, files, bundle),
    ]
    lead = (
        f"Model {bundle.info.name}: scores on the 1-5 scale of mean opinion scores, made on this "
        "computer, offline, from photos that scikit-learn and scikit-image bring along."
    )
    report = out / "report.html"
    write_text(report, page.html("ralikit quickstart", lead, sections))
    return report


def packaged_photos() -> dict[str, Image]:
    """Photos inside scikit-learn's and scikit-image's own packages; nothing is downloaded."""
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_image

    arrays = {
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "astronaut": data.astronaut(),
        "cat": data.cat(),
        "coffee": data.coffee(),
        "rocket": data.rocket(),
    }
    return {name: Image.fromarray(np.asarray(a)) for name, a in arrays.items()}


def degradation_curves(scorer: Scorer, photos: Mapping[str, Image]) -> list[Curve]:
    """Score every photo under growing noise, compression, blur and darkness."""
    from ralikit.photo.degrade import CLASSES, SEVERITIES, Degradation, degrade

    curves = []
    for index, (name, photo) in enumerate(photos.items()):
        clean = scorer.score(photo).value
        for kind in CLASSES:
            worse = [
                scorer.score(degrade(photo, Degradation(kind, s), seed=0, index=index)).value
                for s in SEVERITIES
            ]
            curves.append(Curve(name, kind, (clean, *worse)))
    return curves


def _export(out: Path, bundle: Bundle, tell: Tell) -> dict[str, Path]:
    from ralikit.export.gate.gate import open_gate
    from ralikit.export.options import ExportOptions
    from ralikit.export.pipeline import export

    tell("reference scores", 0.0)
    gate = open_gate(bundle)  # once for all targets
    files = {}
    targets = everyday()
    for number, target in enumerate(targets):
        tell(f"exporting to {target.name}, {PRECISION}", (number + 1) / (len(targets) + 1))
        files[target.name] = export(
            bundle,
            target=target.name,
            precision=PRECISION,
            out=out,
            options=ExportOptions(overwrite=True),
            gate=gate,
        ).path
    return files


def _verify(files: Mapping[str, Path]) -> dict[str, float]:
    """Largest difference on the golden photos, per target, from the file alone."""
    from ralikit.export.verify import verify

    found = {}
    for target, file in files.items():
        result = verify(file)
        if not result.passed:
            raise RalikitError(f"{file} does not verify: {result.reason}")
        found[target] = result.max_drift
    return found


def _time(out: Path, files: Mapping[str, Path], tell: Tell) -> list[Record]:
    from ralikit.bench.host import HostPlan, bench_host
    from ralikit.bench.photos import rendered_jpeg
    from ralikit.bench.records import append

    with rendered_jpeg(4032, 3024) as photo:
        plan = HostPlan(files=tuple(files.values()), photo=photo, quick=True)
        records = list(bench_host(plan, command="ralikit quickstart", progress=tell))
    append(out / "records.jsonl", records)
    return records


def _scores_section(
    scorer: Scorer, photos: Mapping[str, Image], scores: Mapping[str, Score]
) -> Section:
    from ralikit.report.page import Photo, Section, thumbnail

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


def _curves_section(curves: list[Curve]) -> Section:
    from ralikit.report import plots
    from ralikit.report.page import Section

    kinds = list(dict.fromkeys(c.kind for c in curves))
    figures = []
    for kind in kinds:
        mine = [c for c in curves if c.kind == kind]
        levels = list(range(_LEVELS))
        rises = sum(c.rises for c in mine)
        steps = len(mine) * (_LEVELS - 1)
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
    records: list[Record],
    bundle: Bundle,
) -> Section:
    from ralikit.bench.stats import summarise
    from ralikit.export.manifest import manifest_path
    from ralikit.files import read_json
    from ralikit.report.page import Section, Table, megabytes, milliseconds, number

    rows = []
    for (target, file), record in zip(files.items(), records, strict=True):
        parity = read_json(manifest_path(file))["parity"]
        timing = summarise(record.samples["inference_s"])
        end_to_end = summarise(record.samples["end_to_end_s"])
        rows.append(
            (
                file.name,
                record.runtime.name + (" *" if record.protocol.note else ""),
                megabytes(size_bytes(file)),
                milliseconds(timing.median),
                milliseconds(end_to_end.median),
                megabytes(record.memory.peak_bytes if record.memory else None),
                number(parity["max_drift"]),
                number(parity["p95_drift"]),
                number(parity["srcc"], digits=5),
                number(verified[target]),
            )
        )
    notes = dict.fromkeys(f"* {r.protocol.note}" for r in records if r.protocol.note)
    first = records[0]
    table = Table(
        title="The same model as three files",
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
            f"The float32 bundle takes {megabytes(size_bytes(bundle.tower_file))} "
            "as float16 weights.",
            *notes,
        ),
    )
    return Section(title="Exported files", tables=(table,))


def _next_section(out: Path, files: Mapping[str, Path], bundle: Bundle) -> Section:
    from ralikit.report.page import Section

    first = next(iter(files.values()))
    return Section(
        title="What next",
        text=(
            "Score your own photos: ralikit score PHOTO... or ralikit rank FOLDER.",
            f"With an exported file: ralikit score PHOTO --model {first}.",
            f"Check a file anywhere: ralikit verify {first}.",
            f"Everything made here lies in {out}.",
            bundle.info.notice,
        ),
    )
