"""What the parts of the benchmark report share: names, runs, and which record speaks for a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ralikit.bench.records import Record
from ralikit.bench.stats import Ratio, ratio_of_medians

FILL_HOST = "ralikit bench host FILE... --out records.jsonl"
FILL_PARITY = "ralikit bench parity REFERENCE FILE... --photos DIR --out records.jsonl"
FILL_TEACHER = "ralikit bench teacher --size 7b --batches 1,2,4,8,16 --out records.jsonl"
FILL_ANDROID = "ralikit bench android FILE... --program ralibench --library libonnxruntime.so"
FILL_IOS = "ralikit bench ios --project ios_demo"
FILL_DEVICE = "the benchmark view of the phone app, then ralikit report its records"


def label(record: Record) -> str:
    """A model's name in tables: name, format, precision, and the runtime where it is not usual."""
    model = record.model
    usual = {
        "onnx": "onnxruntime",
        "tflite": "litert",
        "coreml": "coreml",
        "coreai": "coreai",
        "torch": "torch",
    }.get(model.format, "")
    runtime = record.runtime.name
    if not times_a_runtime(record):
        return f"{model.name} {model.format} {model.precision}, evaluated off-device"
    suffix = "" if usual and usual in runtime else f" in {runtime}"
    return f"{model.name} {model.format} {model.precision}{suffix}"


def times_a_runtime(record: Record) -> bool:
    """Whether what ran the file is what runs it in an app; ralikit's evaluators are not."""
    return record.runtime.name != "ralikit's"


def run_by(record: Record) -> str:
    """What ran a file, in words."""
    return record.runtime.name if times_a_runtime(record) else "ralikit's evaluator"


def of_kind(records: Sequence[Record], kind: str) -> list[Record]:
    return [r for r in records if r.kind == kind]


def on_host(records: Sequence[Record]) -> list[Record]:
    """Latencies of one photo at a time on a computer's processor."""
    return [
        r
        for r in of_kind(records, "latency")
        if r.device.kind == "host" and not r.device.emulated and r.runtime.batch == 1
    ]


def by_run(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records of one interleaved run together, runs in the order they come."""
    runs: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        runs[record.run].append(record)
    return runs


def model_name(record: Record) -> str:
    """A record's model; a peer from transformers runs the same one."""
    return record.model.name.removesuffix(" (module of transformers)")


def models_of(run: Sequence[Record]) -> str:
    """The models of a run, by name."""
    return ", ".join(sorted({model_name(record) for record in run}))


def by_model(records: Sequence[Record]) -> list[list[Record]]:
    """Runs, those of one model together."""
    return sorted(by_run(records).values(), key=models_of)


def latest(records: Sequence[Record]) -> dict[str, Record]:
    """The newest record of each label."""
    return {label(r): r for r in sorted(records, key=lambda r: r.time)}


def plainest(records: Sequence[Record]) -> dict[str, Record]:
    """Of each label a final record before a quick one, then the fewest threads, then the newest."""
    found: dict[str, Record] = {}
    for record in sorted(records, key=lambda r: r.time):
        held = found.get(label(record))
        if held is None or _plainness(record) <= _plainness(held):
            found[label(record)] = record
    return found


def compared(records: Sequence[Record]) -> tuple[dict[str, Record], str]:
    """The parity record of each label that the summary shows, and the run most of them are of.

    One set of photos for as many files as can be: the run that compares most files on photos with
    MOS, the newest among equals. Files that it lacks show their newest record.
    """
    runs = by_run(records)

    def weight(run: str) -> tuple[int, str]:
        rated = [r for r in runs[run] if "srcc_mos" in r.figures]
        return len(rated), max(r.time for r in runs[run])

    if not runs:
        return {}, ""
    main = max(runs, key=weight)
    return latest(records) | {label(r): r for r in runs[main]}, main


def _plainness(record: Record) -> tuple[bool, int]:
    return record.protocol.quick, record.runtime.threads


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


def ratio_text(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
