"""`ralikit report`: tables and plots from benchmark records, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.report.brief import brief
from ralikit.report.choice import (
    FILL_HOST,
    FILL_PARITY,
    by_model,
    label,
    models_of,
    of_kind,
    ratio_between,
    ratio_text,
)
from ralikit.report.corpus import corpus_section
from ralikit.report.devices import device_section
from ralikit.report.page import (
    NOT_MEASURED,
    Photo,
    Section,
    Table,
    megabytes,
    milliseconds,
    number,
    thumbnail,
)
from ralikit.report.reasons import reasons_section
from ralikit.report.summary import summary
from ralikit.report.teachers import teacher_section

TITLE = "ralikit benchmark report"


def describe(record: Record) -> str:
    """One line of what a record found, for a terminal."""
    name = f"{label(record)}, {record.runtime.threads} thread(s)"
    if record.kind == "latency":
        if record.runtime.batch > 1:
            name += f", {record.runtime.batch} photos a query"
        found = summarise(record.samples["inference_s"])
        memory = megabytes(record.memory.peak_bytes if record.memory else None)
        return (
            f"{name}: median {milliseconds(found.median)}, p90 {milliseconds(found.p90)}, "
            f"{found.count} queries, peak memory {memory}"
        )
    if record.kind == "teacher":
        median = summarise(record.samples["photo_s"]).median
        memory = megabytes(record.memory.peak_bytes if record.memory else None)
        return f"{name}, batch {record.runtime.batch}: {number(median)} s a photo, peak {memory}"
    if record.kind == "reasons":
        right = record.figures["right"]
        shares = ", ".join(
            f"{name} {share['value']:.1%}" for name, share in right.items() if share["value"]
        )
        none = record.figures["none"]["value"]
        return f"{name}: planted fault named first: {shares}; good photos without any: {none:.1%}"
    shown = ("photos", "max_drift", "p95_drift", "srcc", "srcc_mos")
    figures = [f"{k} {number(record.figures[k], digits=5)}" for k in shown if k in record.figures]
    return f"{name}: {', '.join(figures)}"


def sections(records: Sequence[Record], photos: Path | None = None) -> list[Section]:
    """All parts of the report.

    Args:
        records: What was measured.
        photos: Folder with the photos that parity records name, for their pictures; None: names
            alone.
    """
    parts = [
        brief(records),
        summary(records),
        *_latency_sections(records),
        _parity_section(records, photos),
        teacher_section(records),
        _reasons_section(records),
        corpus_section(of_kind(records, "corpus")),
        device_section(records),
    ]
    return [part for part in parts if part is not None]


def _reasons_section(records: Sequence[Record]) -> Section | None:
    found = of_kind(records, "reasons")
    return reasons_section(found, [label(record) for record in found])


def _latency_sections(records: Sequence[Record]) -> list[Section]:
    timed = [
        record
        for record in of_kind(records, "latency")
        if record.device.kind in {"host", "gpu"} and not record.device.emulated
    ]
    tables = [_run_table(run) for run in by_model(timed)]
    if not tables:
        return []
    text = (
        "Each table is one run: its models took turns in interleaved rounds, so that whatever "
        "else the computer did fell on all alike. Compare ratios inside a table; times of "
        "different tables were taken under different conditions.",
    )
    return [Section(title="Latency and memory", text=text, tables=tuple(tables))]


def _run_table(run: list[Record]) -> Table:
    base = next((r for r in run if r.model.precision == "fp32"), run[0])
    rows = []
    for record in run:
        inference = summarise(record.samples["inference_s"])
        end_to_end = record.samples.get("end_to_end_s")
        memory = record.memory
        rows.append(
            (
                label(record),
                megabytes(record.model.size_bytes),
                milliseconds(inference.median),
                milliseconds(inference.p90),
                f"{inference.spread:.0%}",
                "1" if record is base else ratio_text(ratio_between(record, base)),
                milliseconds(summarise(end_to_end).median if end_to_end else None),
                milliseconds(record.load_s),
                milliseconds(record.first_s),
                megabytes(memory.peak_bytes if memory else None),
                megabytes(memory.private_bytes if memory else None),
            )
        )
    first = run[0]
    conditions = [
        f"{first.device.chip}, {first.device.cores} cores, {first.device.os}; "
        f"{first.runtime.threads} thread(s), batch {first.runtime.batch}; "
        f"{first.protocol.rounds} interleaved rounds, {first.protocol.warmups} warm-ups, "
        f"{first.protocol.cooldown_s:g} s cool-down; "
        f"thermal {first.state.thermal_before} to {first.state.thermal_after}, "
        f"power {first.state.power_before}.",
        f"{first.time}, commit {first.commit or 'unknown'}: {first.protocol.command}",
        f"Ratio: of medians, with its 95 % bootstrap interval over rounds, to {label(base)}.",
    ]
    if any(r.protocol.quick for r in run):
        conditions.insert(0, "A quick look, not a final figure.")
    if any(r.model.weights == "random" for r in run):
        conditions.append("Random weights: cost alone is measured, not accuracy.")
    notes = dict.fromkeys(f"{label(r)}: {r.protocol.note}" for r in run if r.protocol.note)
    threads = f"{first.runtime.threads} thread(s)"
    kind = "quick run" if first.protocol.quick else "run"
    photos = f", {first.runtime.batch} photos a query" if first.runtime.batch > 1 else ""
    return Table(
        title=f"{models_of(run)}, {threads}{photos}: {kind} of {first.time}",
        columns=(
            "file",
            "size",
            "median",
            "p90",
            "spread",
            "ratio",
            "photo to score",
            "load",
            "first",
            "peak memory",
            "private memory",
        ),
        rows=tuple(rows),
        conditions=(*conditions, *notes),
        fill=FILL_HOST,
    )


def _parity_section(records: Sequence[Record], photos: Path | None) -> Section:
    found = of_kind(records, "parity")
    tables = [_parity_table(run) for run in by_model(found)] or [_parity_table([])]
    return Section(title="Parity", tables=tuple(tables), photos=_worst_photos(found, photos))


def _parity_table(run: Sequence[Record]) -> Table:
    """What one run found: the same photos through every file."""
    rows = tuple(
        (
            label(r),
            str(r.figures.get("reference", "")),
            str(r.figures["photos"]),
            number(r.figures["max_drift"]),
            number(r.figures["p95_drift"]),
            number(r.figures["mean_drift"]),
            number(r.figures["srcc"], digits=5),
            number(r.figures.get("srcc_mos"), digits=4),
            number(r.figures.get("plcc_mos"), digits=4),
        )
        for r in run
    )
    notes = dict.fromkeys(f"{label(r)}: {r.protocol.note}" for r in run if r.protocol.note)
    commands = dict.fromkeys(f"{r.time}: {r.protocol.command}" for r in run)
    what = (
        f"{models_of(run)}, {run[0].figures['photos']} photos, run of {run[0].time}"
        if run
        else "Every file"
    )
    return Table(
        title=f"{what}: the same photos through every file",
        columns=(
            "file",
            "reference",
            "photos",
            "max drift",
            "p95 drift",
            "mean drift",
            "SRCC with reference",
            "SRCC with MOS",
            "PLCC with MOS (raw)",
        ),
        rows=rows or ((NOT_MEASURED,) * 9,),
        conditions=(*commands, *notes),
        fill=FILL_PARITY,
    )


def _worst_photos(
    found: Sequence[Record], folder: Path | None, count: int = 12
) -> tuple[Photo, ...]:
    worst: dict[str, tuple[float, str, float]] = {}
    for record in found:
        for photo in record.photos:
            drift = abs(photo["score"] - photo["reference"])
            if drift > worst.get(photo["name"], (0.0, "", 0.0))[0]:
                detail = (
                    f"{label(record)}: {photo['score']:.3f}, reference {photo['reference']:.3f}"
                )
                worst[photo["name"]] = (drift, detail, photo["reference"])
    chosen = sorted(worst.items(), key=lambda item: -item[1][0])[:count]
    return tuple(
        Photo(
            name=name,
            detail=f"parts by {drift:.3f}. {detail}",
            picture=_picture(folder, name),
            score=reference,
        )
        for name, (drift, detail, reference) in chosen
    )


def _picture(folder: Path | None, name: str) -> str:
    if folder is None:
        return ""
    from ralikit.photo.decode import open_photo

    path = next(folder.rglob(Path(name).name), None)
    return "" if path is None else thumbnail(open_photo(path))
