"""Benchmark records: one JSON object a measurement, appended as a sealed line.

A record holds raw samples; percentiles come later, in the report. `docs/records.md` documents every
field; the dataclasses here are the schema, so an unknown key, a wrong type or an edited value is
refused with the line it stands on. `ralikit.bench.seal` says what a seal is.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ralikit.bench.seal import RecordError, opened, sealed
from ralikit.config import from_mapping, to_mapping
from ralikit.errors import RalikitError, UsageError
from ralikit.lines import numbered_lines

Kind = Literal["latency", "parity", "accuracy", "teacher", "reasons", "corpus"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """What was measured.

    Attributes:
        name: Short name, e.g. ``"mini"`` or ``"RALI ViT-L/14-336"``.
        hash: sha256 of the file (or folder) that ran.
        bundle: Hash of the bundle it came from, or "".
        format: ``onnx``, ``tflite``, ``coreml``, ``torch`` or ``openvino``.
        precision: As exported, e.g. ``"int8"``.
        size_bytes: Size on disk; 0 where the weights were made in memory.
        weights: Whether the weights were trained or random (cost only).
        input: Shape of the graph's input.
    """

    name: str
    hash: str
    bundle: str
    format: str
    precision: str
    size_bytes: int
    weights: Literal["trained", "random"]
    input: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where it ran. `emulated` rows never enter a device table."""

    kind: Literal["host", "gpu", "phone", "browser"]
    name: str
    os: str
    chip: str
    cores: int
    memory_bytes: int
    emulated: bool = False


@dataclass(frozen=True, kw_only=True)
class RanBy:
    """What ran it: library and version, compute unit or delegate, threads, photos a call."""

    name: str
    version: str
    unit: str
    threads: int
    batch: int = 1


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How it was measured.

    Attributes:
        quick: A quick look, not a final figure (a final one has 60 s or 1,024 queries).
        rounds: Rounds, interleaved with the other models of the same `run`.
        warmups: Inferences discarded before the first sample.
        cooldown_s: Pause before each round, seconds.
        command: The command line to repeat it.
        note: Anything a reader must know.
    """

    quick: bool
    rounds: int
    warmups: int
    cooldown_s: float
    command: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of the measuring process, bytes, and how it was read."""

    peak_bytes: int
    steady_bytes: int
    private_bytes: int
    how: str


@dataclass(frozen=True, kw_only=True)
class State:
    """Thermal and power state before and after, as the device names them; "unknown" is honest."""

    thermal_before: str = "unknown"
    thermal_after: str = "unknown"
    power_before: str = "unknown"
    power_after: str = "unknown"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measurement.

    Attributes:
        kind: What `samples` and `figures` hold.
        run: Name shared by the records of one interleaved run: only those compare as ratios.
        time: When it ended, UTC, ISO 8601.
        commit: Commit of the project, or "".
        samples: Raw values by name in the order taken, e.g. ``inference_s``, ``end_to_end_s``,
            ``cpu_s`` (one a query, seconds), ``round`` (index of each inference sample's round).
        load_s: Time to load the model, seconds.
        first_s: Time of the first inference, seconds.
        figures: Derived values that need more than samples (parity, accuracy).
        photos: Per-photo values worth showing, e.g. the worst of a parity run.
    """

    kind: Kind
    run: str
    time: str
    commit: str
    model: Model
    device: Device
    runtime: RanBy
    protocol: Protocol
    samples: dict[str, Any] = field(default_factory=dict)
    load_s: float | None = None
    first_s: float | None = None
    memory: Memory | None = None
    state: State = field(default_factory=State)
    figures: dict[str, Any] = field(default_factory=dict)
    photos: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for name, values in self.samples.items():
            if not isinstance(values, list) or not all(_finite(v) for v in values):
                raise ValueError(f"samples.{name} must be a list of finite numbers")
            if name.endswith("_s") and any(v < 0 for v in values):
                raise ValueError(f"samples.{name} holds a negative time")
        if self.kind == "latency" and not self.samples.get("inference_s"):
            raise ValueError("a latency record needs samples.inference_s")
        if self.kind in {"parity", "accuracy", "reasons", "corpus"} and not self.figures:
            raise ValueError(f"a {self.kind} record needs figures")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def seal(record: Record) -> bytes:
    """The record as a sealed line of a record file, without its line feed."""
    return sealed(to_mapping(record))


def unseal(line: bytes, *, where: str) -> Record:
    """Check and read one line of a record file, of this schema or an older one.

    Raises:
        RecordError: If it is no record, of another schema, edited, or out of range.
    """
    try:
        return from_mapping(Record, opened(line, where=where), where=where)
    except UsageError as error:
        raise RecordError(str(error)) from error


def append(path: Path, records: Iterable[Record]) -> None:
    """Add records to a JSON Lines file; one write a record, flushed, so a kill keeps the rest.

    Raises:
        RalikitError: If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            for record in records:
                line = seal(record) + b"\n"
                if stream.tell() and not _ends_with_newline(path):
                    line = b"\n" + line  # a killed writer's half line stays alone and is refused
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        raise RalikitError(f"cannot write {path}: {error.strerror or error}") from error


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def read(paths: Iterable[Path]) -> list[Record]:
    """Read record files, or every ``*.jsonl`` below a folder, in order of name.

    Raises:
        RecordError: On the first line that is not a whole, unedited record.
        UsageError: If nothing is there.
    """
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(path.rglob("*.jsonl")) if path.is_dir() else [path])
    if not files:
        raise UsageError("no record files: expected .jsonl files or a folder of them")
    records = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise RecordError(f"cannot read {file}: {error.strerror or error}") from error
        records += [
            unseal(line, where=f"{file}, line {number}") for number, line in numbered_lines(data)
        ]
    return records


def replace(record: Record, **changes: Any) -> Record:
    """A copy with other values (records themselves never change)."""
    return dataclasses.replace(record, **changes)
