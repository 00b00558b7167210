"""`ralikit report`: tables and plots from benchmark records, and from nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ralikit.bench.records import Record
from ralikit.bench.stats import Ratio, pareto, ratio_of_medians, summarise
from ralikit.report import plots
from ralikit.report.page import (
    NOT_MEASURED,
    Figure,
    Photo,
    Section,
    Table,
    megabytes,
    milliseconds,
    number,
    thumbnail,
)
from ralikit.report.reasons import reasons_section

TITLE = "ralikit benchmark report"

_FILL_HOST = "ralikit bench host FILE... --out records.jsonl"
_FILL_PARITY = "ralikit bench parity REFERENCE FILE... --photos DIR --out records.jsonl"
_FILL_TEACHER = "ralikit bench teacher --size 7b --batches 1,2,4,8,16 --out records.jsonl"
_FILL_DEVICE = "the benchmark view of the phone app, then ralikit report its records"


def label(record: Record) -> str:
    """A model's name in tables: name, format, precision, and the runtime where it is not usual."""
    model = record.model
    usual = {
        "onnx": "onnxruntime",
        "tflite": "litert",
        "coreml": "coreml",
        "torch": "torch",
    }.get(model.format, "")
    runtime = record.runtime.name
    suffix = "" if usual and usual in runtime else f" in {runtime}"
    return f"{model.name} {model.format} {model.precision}{suffix}"


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
        _summary(records),
        *_latency_sections(records),
        _parity_section(records, photos),
        _teacher_section(records),
        _reasons_section(records),
        _device_section(records),
    ]
    return [part for part in parts if part is not None]


def _reasons_section(records: Sequence[Record]) -> Section | None:
    found = _of_kind(records, "reasons")
    return reasons_section(found, [label(record) for record in found])


def _of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    return [r for r in records if r.kind == kind]


def _by_run(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records of one interleaved run together, runs in the order they come."""
    runs: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        runs[record.run].append(record)
    return runs


def _latest(records: Sequence[Record]) -> dict[str, Record]:
    """The newest record of each label."""
    return {label(r): r for r in sorted(records, key=lambda r: r.time)}


def _plainest(records: Sequence[Record]) -> dict[str, Record]:
    """Of each label a final record before a quick one, then the fewest threads, then the newest."""
    found: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: r.time):
        held = found.get(label(record))
        if held is None or _plainness(record) <= _plainness(held):
            found[label(record)] = record
    return found


def _compared(records: Sequence[Record]) -> tuple[dict[str, Record], str]:
    """The parity record of each label that the summary shows, and the run most of them are of.

    One set of photos for as many files as can be: the run that compares most files on photos with
    MOS, the newest among equals. Files that it lacks show their newest record.
    """
    runs = _by_run(records)

    def weight(run: str) -> tuple[int, str]:
        rated = [r for r in runs[run] if "srcc_mos" in r.figures]
        return len(rated), max(r.time for r in runs[run])

    if not runs:
        return {}, ""
    main = max(runs, key=weight)
    return _latest(records) | {label(r): r for r in runs[main]}, main


def _plainness(record: Record) -> tuple[bool, int]:
    return record.protocol.quick, record.runtime.threads


def _summary(records: Sequence[Record]) -> Section:
    """One row a model: what a team compares before shipping."""
    latency = _of_kind(records, "latency")
    host = [r for r in latency if r.device.kind == "host" and not r.device.emulated]
    one = _plainest([r for r in host if r.runtime.batch == 1])
    parity, main = _compared(_of_kind(records, "parity"))
    rows, points = [], []
    for name in sorted(one.keys() | parity.keys()):
        timed, compared = one.get(name), parity.get(name)
        record = timed or compared
        if record is None:
            continue
        median = summarise(timed.samples["inference_s"]).median if timed else None
        figures = compared.figures if compared else {}
        rows.append(
            (
                name,
                record.model.weights,
                megabytes(record.model.size_bytes),
                milliseconds(median),
                NOT_MEASURED if timed is None else str(timed.runtime.threads),
                megabytes(timed.memory.peak_bytes if timed and timed.memory else None),
                str(figures.get("photos", NOT_MEASURED)),
                number(figures.get("max_drift")),
                number(figures.get("p95_drift")),
                number(figures.get("srcc"), digits=5),
                number(figures.get("srcc_mos"), digits=4),
            )
        )
        # Only photos that all files were given put them in an order.
        same = compared is not None and compared.run == main and "srcc_mos" in figures
        if same and timed and median is not None and timed.runtime.threads == 1:
            points.append((name, median * 1e3, record.model.size_bytes / 1e6, figures["srcc_mos"]))
    table = Table(
        title="Every file at a glance",
        columns=(
            "file",
            "weights",
            "size",
            "median",
            "threads",
            "peak memory",
            "photos compared",
            "max drift",
            "p95 drift",
            "SRCC with reference",
            "SRCC with MOS",
        ),
        rows=tuple(rows),
        conditions=(
            "Drift: difference from the reference's score, on the 1-5 scale. Latency: inference "
            "alone, one photo (all its views), on the fewest threads that were timed; each run's "
            "conditions stand below. Random weights say nothing of accuracy.",
            *{f"Photos compared: {r.protocol.command}" for r in parity.values() if r.run == main},
        ),
        fill=f"{_FILL_HOST}; {_FILL_PARITY}",
    )
    figures_ = (
        []
        if len(points) < 2
        else [
            _accuracy_plot([(n, ms, s) for n, ms, _, s in points], "median latency, 1 thread, ms"),
            _accuracy_plot([(n, mb, s) for n, _, mb, s in points], "size, MB"),
        ]
    )
    return Section(title="Summary", tables=(table,), figures=tuple(figures_))


def _accuracy_plot(points: list[tuple[str, float, float]], x_label: str) -> Figure:
    front = pareto([(x, -y) for _, x, y in points])
    best = ", ".join(points[i][0] for i in front)
    return plots.scatter(
        points,
        front=front,
        x_label=x_label,
        y_label="SRCC with MOS",
        caption=f"Accuracy against {x_label}. No other file is better in both than: {best}.",
    )


def _latency_sections(records: Sequence[Record]) -> list[Section]:
    timed = [
        record
        for record in _of_kind(records, "latency")
        if record.device.kind in {"host", "gpu"} and not record.device.emulated
    ]
    tables = [_run_table(run) for run in _by_run(timed).values()]
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
                "1" if record is base else _ratio_text(ratio_between(record, base)),
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
    kind = "quick run" if first.protocol.quick else "run"
    photos = f", {first.runtime.batch} photos a query" if first.runtime.batch > 1 else ""
    return Table(
        title=f"{kind} of {first.time}, {first.runtime.threads} thread(s){photos}",
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
        fill=_FILL_HOST,
    )


def ratio_between(record: Record, base: Record) -> Ratio:
    """Ratio of two records' median inference times; rounds are paired inside one run."""
    same_run = record.run == base.run
    return ratio_of_medians(
        record.samples["inference_s"],
        base.samples["inference_s"],
        numerator_rounds=record.samples.get("round") if same_run else None,
        denominator_rounds=base.samples.get("round") if same_run else None,
        resamples=500,
    )


def _ratio_text(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def _parity_section(records: Sequence[Record], photos: Path | None) -> Section:
    found = _of_kind(records, "parity")
    tables = [_parity_table(run) for run in _by_run(found).values()] or [_parity_table([])]
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
    count = f", {run[0].figures['photos']} photos" if run else ""
    return Table(
        title=f"The same photos through every file{count}",
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
        fill=_FILL_PARITY,
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


def _teacher_section(records: Sequence[Record]) -> Section:
    """Q-Insight beside RALI, as in the paper's Figure 6."""
    found = _of_kind(records, "teacher")
    runs: dict[str, list[Record]] = defaultdict(list)
    for record in found:
        runs[record.run].append(record)
    tables = tuple(_teacher_table(run) for run in runs.values())
    paper = Table(
        title="The paper's figure, for comparison",
        columns=("system", "memory", "time", "conditions"),
        rows=(
            ("RALI over Q-Insight", "14.7 %", "3.4 %", "one A100-80GB, batch 16 (RALI, Figure 6)"),
        ),
    )
    gpu = any(r.device.kind == "gpu" for r in found)
    missing = (
        ()
        if gpu
        else (
            Table(
                title="On a GPU",
                columns=("system", "batch", "memory", "time a photo"),
                rows=(("Q-Insight 7B beside RALI ViT-L", "1-16", NOT_MEASURED, NOT_MEASURED),),
                fill=_FILL_TEACHER,
            ),
        )
    )
    return Section(
        title="Q-Insight beside RALI",
        text=(
            "The teacher answers in words, 100 generated tokens a photo; RALI reads the score off "
            "one image tower. Random weights: cost does not depend on their values.",
        ),
        tables=(*tables, *missing, paper),
    )


def _teacher_table(run: list[Record]) -> Table:
    teachers = {r.runtime.batch: r for r in run if r.figures.get("role") == "teacher"}
    rows = []
    for record in sorted(run, key=lambda r: (r.runtime.batch, r.figures.get("role") != "teacher")):
        teacher = teachers.get(record.runtime.batch)
        median = summarise(record.samples["photo_s"]).median
        peak = record.memory.peak_bytes if record.memory else None
        ratio_time = ratio_memory = "1"
        if teacher is not None and record is not teacher:
            base = summarise(teacher.samples["photo_s"]).median
            ratio_time = f"{median / base:.2%}"
            base_peak = teacher.memory.peak_bytes if teacher.memory else None
            ratio_memory = f"{peak / base_peak:.1%}" if peak and base_peak else NOT_MEASURED
        rows.append(
            (
                f"{record.model.name} {record.model.precision}",
                str(record.runtime.batch),
                str(len(record.samples["photo_s"])),
                f"{number(median)} s",
                ratio_time,
                megabytes(peak),
                ratio_memory,
            )
        )
    first = run[0]
    notes = dict.fromkeys(f"{r.model.name}: {r.protocol.note}" for r in run if r.protocol.note)
    return Table(
        title=f"Run of {first.time} on {first.device.chip}",
        columns=(
            "system",
            "batch",
            "samples",
            "time a photo",
            "of the teacher's",
            "peak memory",
            "of the teacher's ",
        ),
        rows=tuple(rows),
        conditions=(
            f"{first.device.os}, {first.runtime.name} {first.runtime.version}, "
            f"{first.runtime.threads} thread(s), commit {first.commit or 'unknown'}: "
            f"{first.protocol.command}",
            *notes,
        ),
        fill=_FILL_TEACHER,
    )


def _device_section(records: Sequence[Record]) -> Section:
    """Phones and browsers; what ran under emulation is named and kept out."""
    latency = _of_kind(records, "latency")
    real = [r for r in latency if r.device.kind in {"phone", "browser"} and not r.device.emulated]
    emulated = [r for r in latency if r.device.emulated]
    rows = []
    for record in real:
        inference = summarise(record.samples["inference_s"])
        rows.append(
            (
                f"{record.device.name} ({record.device.chip}, {record.device.os})",
                label(record),
                record.runtime.unit,
                milliseconds(inference.median),
                milliseconds(inference.p90),
                megabytes(record.memory.peak_bytes if record.memory else None),
                f"{record.state.thermal_before} to {record.state.thermal_after}",
            )
        )
    table = Table(
        title="Devices",
        columns=("device", "file", "compute unit", "median", "p90", "peak memory", "thermal state"),
        rows=tuple(rows) or (("phones", *([NOT_MEASURED] * 6)),),
        conditions=tuple(
            f"Left out, since emulated (numerics, never speed): {label(r)} on {r.device.name}."
            for r in emulated
        ),
        fill=_FILL_DEVICE,
    )
    return Section(title="Phones and browsers", tables=(table,))
