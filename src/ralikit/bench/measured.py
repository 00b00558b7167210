"""What the device's program wrote, read as what a stranger's machine sent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from ralikit.bench.calls import DeviceError
from ralikit.files import parse_json

MOST_BYTES = 4 << 20
_MOST_SAMPLES = 100_000
_MOST_SECONDS = 36_000.0
_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,64}\Z")
_KEYS = {
    "runtime",
    "version",
    "machine",
    "load_s",
    "first_s",
    "score",
    "peak_bytes",
    "steady_bytes",
    "nodes",
    "inference_s",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One model on one device, seconds and bytes.

    Attributes:
        runtime: What ran it: ``"onnxruntime"`` or ``"litert"``.
        version: The runtime's, or ``"unknown"`` where it does not tell.
        machine: What `uname` calls the processor, e.g. ``"aarch64"``.
        nodes: Kernels that one inference ran, by execution provider or delegate.
        score: Of the views that were pushed.
    """

    runtime: str
    version: str
    machine: str
    load_s: float
    first_s: float
    score: float
    peak_bytes: int
    steady_bytes: int
    nodes: dict[str, int]
    inference_s: list[float]

    @property
    def unit(self) -> str:
        """What really ran it, most kernels first: ``"cpu"``, ``"nnapi+cpu"``."""
        order = sorted(self.nodes, key=lambda name: (-self.nodes[name], name))
        return "+".join(name.removesuffix("ExecutionProvider").lower() for name in order)


def read_measured(text: str, *, queries: int) -> Measured:
    """Read the program's output.

    Args:
        text: As it came, at most `MOST_BYTES`.
        queries: Fewest samples that were asked for.

    Raises:
        DeviceError: If it is anything but what the program writes, or holds a value out of range.
    """
    try:
        values = parse_json(text)
    except ValueError as error:
        raise DeviceError(f"the device's measurement is not valid JSON: {error}") from error
    if not isinstance(values, dict) or set(values) != _KEYS:
        raise DeviceError(
            f"the device's measurement does not have the members {', '.join(sorted(_KEYS))}"
        )
    samples = values["inference_s"]
    if not isinstance(samples, list) or not queries <= len(samples) <= _MOST_SAMPLES:
        raise DeviceError(f"inference_s has fewer than {queries} or more than {_MOST_SAMPLES:,}")
    return Measured(
        runtime=_name(values, "runtime"),
        version=_name(values, "version"),
        machine=_name(values, "machine"),
        load_s=_number(values["load_s"], "load_s", 0.0, _MOST_SECONDS),
        first_s=_number(values["first_s"], "first_s", 0.0, _MOST_SECONDS),
        score=_number(values["score"], "score", -1e6, 1e6),
        peak_bytes=_whole(values["peak_bytes"], "peak_bytes"),
        steady_bytes=_whole(values["steady_bytes"], "steady_bytes"),
        nodes=_nodes(values["nodes"]),
        inference_s=[_number(v, "inference_s", 0.0, _MOST_SECONDS) for v in samples],
    )


def _name(values: dict[str, Any], key: str) -> str:
    value = values[key]
    if not isinstance(value, str) or not _NAME.match(value):
        raise DeviceError(f"the device's {key} is no short name")
    return value


def _number(value: object, key: str, low: float, high: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        raise DeviceError(f"the device's {key} is no number from {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def _whole(value: object, key: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise DeviceError(f"the device's {key} is no number of bytes")
    return value


def _nodes(value: object) -> dict[str, int]:
    nodes = value if isinstance(value, dict) else {}
    if not 0 < len(nodes) <= 8 or not all(
        _NAME.match(name) and type(count) is int and 0 < count < 1_000_000
        for name, count in nodes.items()
    ):
        raise DeviceError("the device does not say which provider ran how many kernels")
    return {str(name): int(count) for name, count in nodes.items()}
