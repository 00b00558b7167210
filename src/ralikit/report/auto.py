"""The page of an automatic mix: what was chosen, layer by layer, and what else could have been."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from ralikit.export.search.frontier import table
from ralikit.export.search.search import AutoExported
from ralikit.files import publish
from ralikit.report.page import Section, Table, html, megabytes
from ralikit.report.plots import budgeted

_EXACT = 1e-5


def write_page(result: AutoExported, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        MissingExtraError: If jinja2 or matplotlib is not installed.
    """
    with publish(path, overwrite=True) as draft:
        draft.write_text(page(result), encoding="utf-8")


def page(result: AutoExported) -> str:
    """The page as HTML, nothing outside it."""
    exported, chosen = result.exported, result.chosen
    counts = Counter(chosen.types.values())
    kinds = ", ".join(f"{n} in {kind}" for kind, n in sorted(counts.items()))
    budgets = exported.facts["auto"]["budgets"]
    lead = (
        f"{exported.path.name}: {megabytes(exported.size)}, largest difference "
        f"{exported.parity.max_drift:.5f} on {exported.parity.photos} photos; {kinds}. Asked for: "
        f"drift up to {budgets['max_drift']:g}, SRCC from {budgets['min_srcc']:g}"
        + (f", up to {budgets['budget_mb']:g} MB." if budgets["budget_mb"] else ".")
    )
    return html("Types chosen layer by layer", lead, [_pareto(result), _layers(result)])


def _pareto(result: AutoExported) -> Section:
    budgets = result.exported.facts["auto"]["budgets"]
    measured = [(t.size / 1e6, t.parity.max_drift) for t in result.trials]
    chosen = next(t for t in result.trials if result.points[t.at] is result.chosen)
    # Head, norms and metadata weigh the same in every mix.
    rest = chosen.size - result.chosen.size
    figure = budgeted(
        # Float16 counts as exact: below this a prediction says nothing.
        [((p.size + rest) / 1e6, p.drift) for p in result.points if _EXACT < p.drift < math.inf],
        measured,
        measured[result.trials.index(chosen)],
        x_limit=budgets["budget_mb"],
        y_limit=budgets["max_drift"],
        x_label="file, MB",
        y_label="largest drift of the score",
        caption="Mixes from the smallest to the most exact: what was predicted of each, and what "
        "the files that were converted did.",
    )
    rows = tuple(
        (
            megabytes(t.size),
            _drift(result.points[t.at].drift),
            f"{t.parity.max_drift:.5f}",
            "-" if t.parity.srcc is None else f"{t.parity.srcc:.5f}",
        )
        for t in result.trials
    )
    tried_table = Table(
        title="Converted and run on the way",
        columns=("file", "drift predicted", "drift measured", "SRCC"),
        rows=rows,
        conditions=("Largest difference from the float32 reference on the gate's photos.",),
    )
    return Section(title="Size against drift", figures=(figure,), tables=(tried_table,))


def _drift(value: float) -> str:
    return f"{value:.5f}" if math.isfinite(value) else "-"


def _layers(result: AutoExported) -> Section:
    rows = table(result.layers, result.chosen)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row["shift"]))
    cells = tuple(
        (
            row["layer"],
            row["type"],
            f"{row['bytes'] / 1e3:.1f} kB",
            *(f"{row['shift'][kind]:.6f}" if kind in row["shift"] else "-" for kind in kinds),
        )
        for row in rows
    )
    return Section(
        title="Layers",
        tables=(
            Table(
                title="What each layer does to the score",
                columns=("layer", "type", "stored", *(f"shift in {k}" for k in kinds)),
                rows=cells,
                conditions=(
                    "Shift: largest change of the score on any calibration photo when this layer "
                    "alone has this type, to first order. float16 counts as exact.",
                ),
            ),
        ),
    )
