"""Evaluation results as text, Markdown, JSON, scatter plots and records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ralikit.data.papers import paper_averages, paper_rows
from ralikit.extras import require
from ralikit.files import publish, to_json
from ralikit.metrics.agreement import NAMES, Estimate, fit_logistic
from ralikit.printable import printable

if TYPE_CHECKING:
    from ralikit.bench.records import Record
    from ralikit.evaluate import EvalResult, EvalSet

Row = list[str]


def table(results: Sequence[EvalResult]) -> tuple[Row, list[Row]]:
    """Header and rows of the one table: a row for every set and model."""
    header = ["set", "model", "photos", *NAMES.values()]
    rows = []
    for result in results:
        figures = [_estimate(figure) for _, figure in result.agreement.figures()]
        rows.append([_title(result.data), result.model.name, str(result.agreement.count), *figures])
    return header, rows


def paper_table(data: EvalSet, results: Sequence[EvalResult]) -> tuple[Row, list[Row]] | None:
    """The papers' rows for a known set with what was measured here below; None for other sets."""
    if data.paper is None:
        return None
    header = ["method", "trained on", "PLCC (raw)", "SRCC", "source"]
    rows = [
        [row.method, row.trained_on, f"{row.plcc:.3f}", f"{row.srcc:.3f}", row.source]
        for row in paper_rows(data.paper.key)
    ]
    for result in results:
        found = result.agreement
        count = f"measured here, {found.count} photos"
        figures = [f"{found.plcc.value:.3f}", f"{found.srcc.value:.3f}"]
        rows.append([result.model.name, "", *figures, count])
    return header, rows


def average_tables(results: Sequence[EvalResult]) -> list[tuple[str, Row, list[Row]]]:
    """Title, header and rows of every average of the papers that a model was measured on whole.

    It is the plain mean of the sets' figures, as the papers print it, not one over all photos.
    """
    tables = []
    for average in paper_averages():
        rows = [
            [row.method, row.trained_on, f"{row.plcc:.3f}", f"{row.srcc:.3f}", row.source]
            for row in paper_rows(average.key)
        ]
        printed = len(rows)
        for model, found in _by_model(results).items():
            if average.sets and set(average.sets) <= set(found):
                of_sets = [found[key].agreement for key in average.sets]
                plcc = np.mean([figures.plcc.value for figures in of_sets])
                srcc = np.mean([figures.srcc.value for figures in of_sets])
                rows.append([model, "", f"{plcc:.3f}", f"{srcc:.3f}", "measured here"])
        if len(rows) > printed:
            header = ["method", "trained on", "PLCC (raw)", "SRCC", "source"]
            tables.append((average.name, header, rows))
    return tables


def _by_model(results: Sequence[EvalResult]) -> dict[str, dict[str, EvalResult]]:
    found: dict[str, dict[str, EvalResult]] = {}
    for result in results:
        if result.data.paper is not None:
            found.setdefault(result.model.name, {})[result.data.paper.key] = result
    return found


def differences(results: Sequence[EvalResult]) -> list[str]:
    """One sentence for every model beside the first, set by set."""
    lines = []
    for _, group in _by_set(results):
        for result in group[1:]:
            found = result.difference
            if found is None:
                continue
            verdict = "a tie" if found.tie else f"p = {found.p_value:.3f}"
            drift = np.abs(result.scores - group[0].scores)
            drift = drift[np.isfinite(drift)]
            lines.append(
                f"{_title(result.data)}: SRCC of {result.model.name} less that of "
                f"{group[0].model.name}: {found.delta.value:+.4f} "
                f"[{found.delta.low:+.4f}, {found.delta.high:+.4f}], {verdict}; scores differ by "
                f"at most {drift.max():.4f}, on average by {drift.mean():.4f}"
            )
    return lines


def notes(results: Sequence[EvalResult]) -> list[str]:
    """Caveats of sets and models, each once."""
    found = [f"{_title(r.data)}: {note}" for r in results for note in r.data.notes]
    found += [f"{r.model.name}: {r.model.note}" for r in results if r.model.note]
    found += [
        f"{_title(r.data)}: {r.model.name} gave {len(r.unrated)} of {len(r.data.samples)} photos "
        f"no rating, the first is {printable(r.unrated[0])}; they are left out of its figures"
        for r in results
        if r.unrated
    ]
    return list(dict.fromkeys(found))


def method(resamples: int, seed: int) -> str:
    """What the figures are, in a sentence."""
    return (
        f"Figures [95 % bootstrap interval over photos, {resamples} resamples, seed {seed}]; "
        "PLCC is given twice: raw, and after a fit of the 4-parameter logistic to these photos; "
        "RMSE and MAE are on the 1-5 scale."
    )


def markdown(results: Sequence[EvalResult], *, command: str, resamples: int, seed: int) -> str:
    """The report as a Markdown page; plots are named as `write` names them."""
    lines = ["# Evaluation", "", f"`{command}`", "", method(resamples, seed), ""]
    lines += _markdown(*table(results))
    lines += [f"- {line}" for line in differences(results) + notes(results)]
    for title, header, rows in average_tables(results):
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", *_markdown(header, rows)]
    for data, group in _by_set(results):
        lines += ["", f"## {_title(data)}", ""]
        papers = paper_table(data, group)
        if papers is not None:
            lines += _markdown(*papers)
        lines += [f"![{r.model.name}]({name})" for r in group for name in [_stem(r) + ".png"]]
    return "\n".join(lines).rstrip() + "\n"


def write(
    out: Path,
    results: Sequence[EvalResult],
    *,
    command: str,
    resamples: int,
    seed: int,
    overwrite: bool = False,
) -> None:
    """Write a folder: eval.json, eval.md, and a scatter plot and a score list a set and model."""
    require("matplotlib", extra="train", job="Scatter plots")
    with publish(out, overwrite=overwrite) as draft:
        draft.mkdir()
        (draft / "eval.json").write_text(
            to_json({"command": command, "results": [r.figures() for r in results]}),
            encoding="utf-8",
        )
        (draft / "eval.md").write_text(
            markdown(results, command=command, resamples=resamples, seed=seed), encoding="utf-8"
        )
        for result in results:
            scatter(draft / f"{_stem(result)}.png", result)
            (draft / f"{_stem(result)}.csv").write_text(_score_list(result), encoding="utf-8")


def scatter(path: Path, result: EvalResult) -> None:
    """Plot predicted scores against MOS with the fitted logistic, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rated = np.isfinite(result.scores)
    scores, mos, found = result.scores[rated], result.data.mos[rated], result.agreement
    figure = Figure(figsize=(5, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.scatter(scores, mos, s=9, alpha=0.45, linewidths=0, color="#2b6cb0")
    x = np.linspace(scores.min(), scores.max(), 200)
    axes.plot(x, fit_logistic(scores, mos)(x), color="#c05621", label="4-parameter logistic")
    axes.axline((3, 3), slope=1, color="#888", linewidth=0.8, linestyle=":", label="score = MOS")
    axes.set_xlim(0.8, 5.2)
    axes.set_ylim(0.8, 5.2)
    axes.set_aspect("equal")
    axes.set_xlabel(f"score of {result.model.name}")
    axes.set_ylabel("MOS on 1-5")
    axes.set_title(
        f"{_title(result.data)}, {found.count} photos: SRCC {found.srcc.value:.3f} "
        f"[{found.srcc.low:.3f}, {found.srcc.high:.3f}]\nPLCC raw {found.plcc.value:.3f}, "
        f"after logistic {found.plcc_logistic.value:.3f}",
        fontsize=9,
    )
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    figure.savefig(path)


def records(results: Sequence[EvalResult], *, command: str) -> list[Record]:
    """One accuracy record a set and model."""
    from ralikit.bench import device
    from ralikit.bench.records import Model, Protocol, RanBy, Record
    from ralikit.config import from_mapping

    time, commit, host = device.now(), device.commit(), device.host()
    made = []
    for result in results:
        name, _, version = result.model.runtime.partition(" ")
        figures = result.figures()
        figures.pop("papers", None)
        made.append(
            Record(
                kind="accuracy",
                run=f"eval-{time}",
                time=time,
                commit=commit,
                model=from_mapping(Model, result.model.model),
                device=host,
                runtime=RanBy(name=name, version=version, unit=result.model.unit, threads=0),
                protocol=Protocol(
                    quick=False,
                    rounds=1,
                    warmups=0,
                    cooldown_s=0.0,
                    command=command,
                    note=result.model.note,
                ),
                figures=figures,
            )
        )
    return made


def _by_set(results: Sequence[EvalResult]) -> Iterator[tuple[EvalSet, list[EvalResult]]]:
    for _, group in groupby(results, key=lambda r: id(r.data)):
        listed = list(group)
        yield listed[0].data, listed


def _title(data: EvalSet) -> str:
    return f"{data.name} {data.split}" if data.split else data.name


def _stem(result: EvalResult) -> str:
    text = f"{_title(result.data)} {result.model.name}"
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in text)


def _estimate(figure: Estimate) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _markdown(header: Row, rows: list[Row]) -> list[str]:
    def line(cells: Row) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"

    return [line(header), "|" + "---|" * len(header), *map(line, rows), ""]


def _score_list(result: EvalResult) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["image", "score", "mos"])
    rows: list[tuple[Any, ...]] = [
        (printable(sample.name), "" if np.isnan(score) else f"{score:.6f}", f"{sample.score:.6f}")
        for sample, score in zip(result.data.samples, result.scores, strict=True)
    ]
    writer.writerows(rows)
    return stream.getvalue()
