"""How the report begins: cost beside the teacher's, what is lost, and which file to ship."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ralikit.bench.records import Record
from ralikit.bench.stats import pareto, summarise
from ralikit.data.papers import paper_rows
from ralikit.report import plots
from ralikit.report.choice import (
    FILL_DEVICE,
    FILL_HOST,
    FILL_PARITY,
    by_run,
    compared,
    label,
    of_kind,
    on_host,
    plainest,
    ratio_between,
)
from ralikit.report.page import Figure, Section, megabytes, number

_TARGETS = {"onnx": "ONNX", "tflite": "TFLite", "coreml": "Core ML", "coreai": "Core AI"}
_KEPT = 0.999
"""SRCC with the reference from which on a file is said to keep the order of photos."""
_NORMAL = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""


def brief(records: Sequence[Record]) -> Section | None:
    """One picture, one plot and a sentence a target; None where nothing for them was measured."""
    rated = _rated(records)
    one = [r for r in on_host(records) if r.runtime.threads == 1]
    drawn = (_beside_teacher(records), _accuracy_and_time(rated, one))
    figures = [figure for figure in drawn if figure is not None]
    text = tuple(_verdict(rated, one, target) for target in _TARGETS) if rated else ()
    if not figures and not text:
        return None
    return Section(title="In short", text=text, figures=tuple(figures), pictures_first=True)


def _rated(records: Sequence[Record]) -> dict[str, Record]:
    """Files of trained models that were given the photos of one run, by their labels."""
    parity, main = compared(of_kind(records, "parity"))
    return {
        name: record
        for name, record in parity.items()
        if record.run == main and record.model.weights != "random"
    }


def _verdict(rated: Mapping[str, Record], one: Sequence[Record], target: str) -> str:
    """Which file of a target to ship: the smallest that keeps the order of photos."""
    title = _TARGETS[target]
    here = [r for r in rated.values() if r.model.format == target]
    if not here:
        return f"{title}: not measured ({FILL_PARITY})."
    kept = [r for r in here if r.figures["srcc"] >= _KEPT]
    if not kept:
        best = max(r.figures["srcc"] for r in here)
        return (
            f"{title}: no file keeps the order of photos (SRCC {number(best, digits=4)} at best)."
        )
    record = min(kept, key=lambda r: r.model.size_bytes)
    figures = record.figures
    text = (
        f"{title}: {record.model.name} in {record.model.precision}, "
        f"{megabytes(record.model.size_bytes)}. Scores of {figures['photos']} photos lie within "
        f"{number(figures['p95_drift'])} of the reference's for 95 % of them and within "
        f"{number(figures['max_drift'])} for all; their order is kept (SRCC "
        f"{number(figures['srcc'], digits=5)})."
    )
    return f"{text} {_time(one, record)}"


def _time(one: Sequence[Record], record: Record) -> str:
    """A file's time beside float32 of its target, inside one run on one thread."""
    for run in sorted(by_run(one).values(), key=lambda run: run[0].protocol.quick):
        timed = next((r for r in run if label(r) == label(record)), None)
        same = [r for r in run if r.model.format == record.model.format]
        base = next((r for r in same if r.model.precision == "fp32"), None)
        if timed is None or base is None or timed is base:
            continue
        ratio = ratio_between(timed, base)
        quick = " in a quick look" if timed.protocol.quick else ""
        return (
            f"It takes {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) of float32's time"
            f"{quick} ({timed.device.chip}, one thread)."
        )
    fill = FILL_DEVICE if record.model.format in {"coreml", "coreai"} else FILL_HOST
    return f"Its time beside float32's: not measured ({fill})."


def _beside_teacher(records: Sequence[Record]) -> Figure | None:
    """Q-Insight beside RALI: time and memory of one run, accuracy as the paper has it."""
    for run in by_run(of_kind(records, "teacher")).values():
        batch = min(r.runtime.batch for r in run)
        found = [r for r in run if r.runtime.batch == batch]
        if {r.figures.get("role") for r in found} < {"teacher", "rali"}:
            continue
        found.sort(key=lambda r: r.figures.get("role") != "teacher")
        names = [f"{r.model.name.split(' (')[0]} {r.model.precision}" for r in found]
        peaks = [(r.memory.peak_bytes if r.memory else 0) / 1e9 for r in found]
        times = [summarise(r.samples["photo_s"]).median for r in found]
        printed = [r for r in paper_rows("average") if r.method in {"Q-Insight", "RALI"}]
        first = found[0]
        return plots.panels(
            (
                ("seconds a photo", names, times),
                ("peak memory, GB", names, peaks),
                ("mean SRCC, published", [r.method for r in printed], [r.srcc for r in printed]),
            ),
            caption=(
                f"Q-Insight beside RALI. Time and memory: one run on {first.device.chip}, "
                f"{first.runtime.threads} thread(s), batch {batch}, random weights, which cost the "
                "same. Accuracy: the mean over seven sets that the paper prints (RALI, Table 2), "
                "not measured here."
            ),
        )
    return None


def srcc_interval(value: float, photos: int) -> tuple[float, float]:
    """The 95 % interval of a Spearman correlation.

    Source: Bonett and Wright 2000, Psychometrika 65, equation for Spearman's: on Fisher's z the
    standard error is √((1 + ρ²/2) / (n - 3)).

    Args:
        value: The correlation, within -1 and 1.
        photos: How many pairs it is of; below 4 nothing is known.
    """
    if photos < 4 or abs(value) >= 1:
        return (-1.0, 1.0) if photos < 4 else (value, value)
    spread = _NORMAL * math.sqrt((1 + value**2 / 2) / (photos - 3))
    return math.tanh(math.atanh(value) - spread), math.tanh(math.atanh(value) + spread)


def _accuracy_and_time(
    compared_files: Mapping[str, Record], one: Sequence[Record]
) -> Figure | None:
    """Agreement with people against time, with what chance alone would move it by."""
    rated = {n: r for n, r in compared_files.items() if "srcc_mos" in r.figures}
    timed = {n: r for n, r in plainest(one).items() if n in rated}
    if len(timed) < 2:
        return None
    points = [
        (
            name,
            summarise(record.samples["inference_s"]).median * 1e3,
            rated[name].figures["srcc_mos"],
        )
        for name, record in timed.items()
    ]
    spans = [srcc_interval(y, rated[name].figures["photos"]) for name, _, y in points]
    highest_low = max(low for low, _ in spans)
    alike = all(high >= highest_low for _, high in spans)
    front = pareto([(x, -y) for _, x, y in points])
    fastest = min(points, key=lambda point: point[1])[0]
    words = (
        f"Their intervals overlap: {rated[fastest].figures['photos']} photos do not tell the files "
        f"apart by accuracy, and {fastest} is the fastest."
        if alike
        else f"No other file is better in both than: {', '.join(points[i][0] for i in front)}."
    )
    return plots.intervals(
        [(name, x, y, span) for (name, x, y), span in zip(points, spans, strict=True)],
        x_label="median latency, one thread, ms",
        y_label="SRCC with MOS",
        caption=f"Agreement with people against time; bars: 95 % intervals. {words}",
    )
