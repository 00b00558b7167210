"""The record that the app's benchmark writes, read by the reader of `ralikit report`."""

from __future__ import annotations

from pathlib import Path

from ralikit.bench import records
from ralikit.bench.seal import RecordError


def check(file: Path) -> dict[str, list[str]]:
    """Problems by check; an empty list has passed."""
    if not file.is_file():
        return {"record: the app's logic wrote one": [f"{file} is not there"]}
    try:
        read = records.read([file])
    except RecordError as error:
        return {"record: Python opens it": [str(error)]}
    lines = file.read_bytes().split(b"\n")
    edited = file.with_suffix(".edited")
    edited.write_bytes(lines[0].replace(b'"cores":6', b'"cores":8') + b"\n")
    return {
        "record: Python opens it": [] if len(read) == 2 else [f"{len(read)} records, not 2"],
        "record: an edited one is refused": _opens(edited),
        "record: it says what was measured": [p for record in read for p in _fields(record)],
    }


def _opens(file: Path) -> list[str]:
    try:
        records.read([file])
    except RecordError:
        return []
    return [f"{file} opened, though a figure in it was changed"]


def _fields(record: records.Record) -> list[str]:
    wanted = {
        "kind": (record.kind, "latency"),
        "device.kind": (record.device.kind, "phone"),
        "device.emulated": (record.device.emulated, True),  # the test says it is a simulator
        "model.format": (record.model.format, "coreml"),
        "samples": (len(record.samples["inference_s"]), len(record.samples["round"])),
        "end to end": (record.samples["end_to_end_s"], [0.5]),
        "memory": (record.memory is not None and record.memory.peak_bytes, 9 << 20),
        "thermal": (record.state.thermal_after, "fair"),
        "residency": (record.figures.get("planned_operations_neural_engine"), 41),
    }
    return [
        f"{name} is {found!r}, not {expected!r}"
        for name, (found, expected) in wanted.items()
        if found != expected
    ]
