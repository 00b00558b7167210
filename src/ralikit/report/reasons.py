"""Tables of `ralikit report` on reasons: what was planted, and what was named first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ralikit.bench.records import Record
from ralikit.report.page import NOT_MEASURED, Section, Table, number

_FILL = "ralikit bench reasons FILE... --plant PHOTO... --out records.jsonl"
_STRENGTHS = ("weak", "medium", "strong")


def reasons_section(records: Sequence[Record], names: Sequence[str]) -> Section | None:
    """What was found of reasons; None where no record speaks of them.

    Args:
        records: Of the kind ``reasons``.
        names: What each is called in tables.
    """
    if not records:
        return None
    pairs = list(zip(names, records, strict=True))
    tables = [_overall(pairs), *(_each(name, record) for name, record in pairs)]
    return Section(title="Reasons", tables=tuple(tables))


def _overall(pairs: Sequence[tuple[str, Record]]) -> Table:
    rows = []
    for name, record in pairs:
        f = record.figures
        shares = [f["right"][s] for s in _STRENGTHS]
        rows.append(
            (
                name,
                str(f["photos"]),
                *(_interval(share) for share in shares),
                _percent(shares[2]["held_out"]),
                f"{_interval(f['none'])} of {f['clean_photos']}",
                _percent(f.get("same_first")),
            )
        )
    return Table(
        title="Planted fault named first",
        columns=(
            "file",
            "photos",
            *_STRENGTHS,
            "strong, kept-out renderings",
            "good photos, none named",
            "first reason as in float",
        ),
        rows=tuple(rows),
        conditions=tuple(dict.fromkeys(f"{r.time}: {r.protocol.command}" for _, r in pairs)),
        fill=_FILL,
    )


def _each(name: str, record: Record) -> Table:
    f = record.figures
    rows = tuple(
        (reason, *(_percent(shares[s]) for s in _STRENGTHS), number(f["auc"][reason], digits=3))
        for reason, shares in f["by_reason"].items()
    )
    return Table(
        title=f"{name}: reason by reason",
        columns=("reason", *_STRENGTHS, "AUC, medium and strong"),
        rows=rows,
        conditions=(),
        fill=_FILL,
    )


def _interval(share: dict[str, Any]) -> str:
    if share["value"] is None:
        return NOT_MEASURED
    return f"{_percent(share['value'])} ({100 * share['low']:.0f}-{100 * share['high']:.0f})"


def _percent(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{100 * value:.1f} %"
