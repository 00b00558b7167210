"""Every measured file in a row, a table for each model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.report.choice import (
    FILL_HOST,
    FILL_PARITY,
    compared,
    label,
    model_name,
    of_kind,
    on_host,
    plainest,
)
from ralikit.report.page import NOT_MEASURED, Section, Table, megabytes, milliseconds, number

_COLUMNS = (
    "file",
    "size",
    "median",
    "threads",
    "peak memory",
    "photos compared",
    "max drift",
    "p95 drift",
    "SRCC with reference",
    "SRCC with MOS",
)


def summary(records: Sequence[Record]) -> Section:
    """One row a file: what a team compares before shipping.

    SRCC with MOS stands only where it is of the photos of one run: figures on different photos in
    one column would be compared.
    """
    timed = plainest(on_host(records))
    parity, main = compared(of_kind(records, "parity"))
    models: dict[tuple[str, str], list[tuple[str, ...]]] = defaultdict(list)
    for name in sorted(timed.keys() | parity.keys()):
        record = timed.get(name) or parity[name]
        model = record.model
        models[model_name(record), model.weights].append(
            _row(record, timed.get(name), parity.get(name), main)
        )
    tables = [
        Table(
            title=f"{name}{', random weights: cost alone' if weights == 'random' else ''}",
            columns=_COLUMNS,
            rows=tuple(rows),
            conditions=_conditions(rows, parity, main),
            fill=f"{FILL_HOST}; {FILL_PARITY}",
        ).folded()
        for (name, weights), rows in models.items()
    ]
    text = (
        "Drift: difference from the reference's score, on the 1-5 scale. Latency: inference alone, "
        "one photo (all its views), on the fewest threads that were timed; each run's conditions "
        "stand below, and only times of one run may be divided.",
    )
    return Section(title="Every file at a glance", text=text, tables=tuple(tables))


def _row(record: Record, timed: Record | None, parity: Record | None, main: str) -> tuple[str, ...]:
    """A file's row; `record` is either of the two."""
    median = summarise(timed.samples["inference_s"]).median if timed else None
    figures = parity.figures if parity else {}
    rated = figures.get("srcc_mos") if parity and parity.run == main else None
    return (
        label(record),
        megabytes(record.model.size_bytes),
        milliseconds(median),
        NOT_MEASURED if timed is None else str(timed.runtime.threads),
        megabytes(timed.memory.peak_bytes if timed and timed.memory else None),
        str(figures.get("photos", NOT_MEASURED)),
        number(figures.get("max_drift")),
        number(figures.get("p95_drift")),
        number(figures.get("srcc"), digits=5),
        number(rated, digits=4),
    )


def _conditions(
    rows: Sequence[tuple[str, ...]], parity: dict[str, Record], main: str
) -> tuple[str, ...]:
    """Which photos SRCC with MOS is of, where the table has any."""
    names = {row[0] for row in rows if row[-1] != NOT_MEASURED}
    commands = {r.protocol.command for r in parity.values() if r.run == main and label(r) in names}
    return tuple(f"SRCC with MOS, one set of photos: {command}" for command in sorted(commands))
