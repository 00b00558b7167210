"""`ralikit report --against`: what got worse since other records, beyond their noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ralikit.bench.records import Record
from ralikit.bench.stats import ratio_of_medians
from ralikit.report.choice import label


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much worse is a regression. Latency must also be worse beyond the samples' noise.

    Attributes:
        latency: Share by which the median may grow.
        memory: Share by which peak memory may grow.
        size: Share by which the file may grow.
        drift: By how much the 95th percentile of drift may grow, on the score scale.
        srcc: By how much an SRCC may fall.
    """

    latency: float = 0.03
    memory: float = 0.05
    size: float = 0.01
    drift: float = 0.005
    srcc: float = 0.003


@dataclass(frozen=True)
class Regression:
    """One figure that got worse."""

    name: str
    what: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.name}: {self.what} went from {self.before:.4g} to {self.after:.4g}"


def regressions(
    new: Sequence[Record], old: Sequence[Record], limits: Limits | None = None
) -> list[Regression]:
    """Compare the newest record of each model, device, runtime and thread count with the older.

    Args:
        new: Records under test.
        old: Records they are compared with.
        limits: What counts.
    """
    limits = limits or Limits()
    before, after = _newest(old), _newest(new)
    found: list[Regression] = []
    for key in sorted(before.keys() & after.keys()):
        b, a = before[key], after[key]
        name = " | ".join(str(part) for part in key[1:] if part)
        found += [Regression(name, *worse) for worse in _worse(a, b, limits)]
    return found


def matched(new: Sequence[Record], old: Sequence[Record]) -> int:
    """How many measurements both sides have; 0 means nothing was compared."""
    return len(_newest(new).keys() & _newest(old).keys())


def _newest(records: Sequence[Record]) -> dict[tuple[Any, ...], Record]:
    return {_key(r): r for r in sorted(records, key=lambda r: r.time)}


def _key(record: Record) -> tuple[Any, ...]:
    runtime, device = record.runtime, record.device
    threads = f"{runtime.threads} threads" if record.kind == "latency" else ""
    return record.kind, label(record), device.chip, runtime.unit, threads, f"batch {runtime.batch}"


def _worse(after: Record, before: Record, limits: Limits) -> list[tuple[str, float, float]]:
    found = []
    for name in ("inference_s", "photo_s"):
        if name in after.samples and name in before.samples:
            rounds = [
                r.samples.get("round") if name == "inference_s" else None for r in (after, before)
            ]
            ratio = ratio_of_medians(
                after.samples[name],
                before.samples[name],
                numerator_rounds=_apart(rounds[0], 0),
                denominator_rounds=_apart(rounds[1], 1),
            )
            if ratio.slower(limits.latency):
                found.append(
                    (
                        f"median {name} (ratio, 95 % {ratio.low:.3f}-{ratio.high:.3f})",
                        1.0,
                        ratio.value,
                    )
                )
    if after.memory and before.memory:
        old, new = before.memory.peak_bytes, after.memory.peak_bytes
        if new > old * (1 + limits.memory):
            found.append(("peak memory, MB", old / 1e6, new / 1e6))
    if after.model.size_bytes > before.model.size_bytes * (1 + limits.size):
        found.append(("size, MB", before.model.size_bytes / 1e6, after.model.size_bytes / 1e6))
    checks: tuple[tuple[str, Callable[[float, float], bool]], ...] = (
        ("p95_drift", lambda old, new: new > old + limits.drift),
        ("max_drift", lambda old, new: new > old + 4 * limits.drift),
        ("srcc", lambda old, new: new < old - limits.srcc),
        ("srcc_mos", lambda old, new: new < old - limits.srcc),
    )
    for name, is_worse in checks:
        if name in after.figures and name in before.figures:
            old_value, new_value = float(before.figures[name]), float(after.figures[name])
            if is_worse(old_value, new_value):
                found.append((name, old_value, new_value))
    return found


def _apart(rounds: list[float] | None, side: int) -> list[int] | None:
    """Round names that never coincide with the other side's: two runs were not interleaved."""
    return None if rounds is None else [2 * int(r) + side for r in rounds]
