"""Plots as SVG that follow the page's light or dark colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ralikit.extras import require
from ralikit.report.page import Figure

# matplotlib writes these colours; the page's variables take their place, so one drawing suits both
# a light and a dark page.
_THEME = {
    "#010203": "var(--fg)",
    "#010204": "var(--soft)",
    "#010205": "var(--line)",
    "#0a0001": "var(--a)",
    "#0a0002": "var(--b)",
    "#0a0003": "var(--c)",
    "#0a0004": "var(--d)",
}
COLOURS = ("#0a0001", "#0a0002", "#0a0003", "#0a0004")
_FG, _SOFT, _LINE = "#010203", "#010204", "#010205"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def lines(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    caption: str,
    x_ticks: Sequence[str] | None = None,
    markers: bool = True,
) -> Figure:
    """Lines, with markers or without, one a series, named in a legend."""
    figure, axes = _axes(x_label, y_label)
    for index, (name, (x, y)) in enumerate(series.items()):
        axes.plot(
            x,
            y,
            color=COLOURS[index % len(COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)] if markers else "",
            markersize=5,
            linewidth=1.6,
            linestyle=("-", "--")[index // len(COLOURS) % 2],
            label=name,
        )
    if x_ticks is not None:
        axes.set_xticks(range(len(x_ticks)), x_ticks)
    if len(series) > 1:
        axes.legend(frameon=False, labelcolor=_FG, fontsize=8)
    return Figure(svg=_svg(figure), caption=caption)


def budgeted(
    predicted: Sequence[tuple[float, float]],
    measured: Sequence[tuple[float, float]],
    chosen: tuple[float, float],
    *,
    x_limit: float | None,
    y_limit: float,
    x_label: str,
    y_label: str,
    caption: str,
) -> Figure:
    """What was predicted as a line, what was measured as points, and the limits of both axes.

    Args:
        predicted: (x, y) in the order of x.
        measured: (x, y).
        chosen: The one of `measured` that was taken.
        x_limit: Budget along x; None: none.
        y_limit: Budget along y; y is drawn on a logarithmic scale.
        x_label: The axis below.
        y_label: The axis on the left.
        caption: Below the plot.
    """
    figure, axes = _axes(x_label, y_label)
    axes.set_yscale("log")
    limit: dict[str, Any] = {"color": COLOURS[1], "linewidth": 1.0, "linestyle": "--"}
    axes.axhline(y_limit, label="budget", **limit)
    if x_limit is not None:
        axes.axvline(x_limit, **limit)
    if predicted:
        axes.plot(*zip(*predicted, strict=True), color=COLOURS[0], linewidth=1.4, label="predicted")
    dots: dict[str, Any] = {"edgecolors": _FG, "s": 34, "zorder": 3}
    if others := [point for point in measured if point != chosen]:
        axes.scatter(*zip(*others, strict=True), facecolors="none", label="converted", **dots)
    axes.scatter(*chosen, facecolors=_FG, label="chosen", **dots)
    axes.legend(frameon=False, labelcolor=_FG, fontsize=8)
    axes.margins(0.08, 0.1)
    return Figure(svg=_svg(figure), caption=caption)


def _bars(axes: Any, names: Sequence[str], values: Sequence[float]) -> None:
    places = range(len(names))[::-1]
    axes.barh(list(places), list(values), color=COLOURS[0], height=0.6)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.0f}" if value >= 1000 else f"{value:.3g}",
            (value, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=_FG,
            fontsize=8,
        )
    axes.set_yticks(list(places), list(names))
    axes.margins(x=0.14)
    axes.grid(visible=False, axis="y")


def panels(parts: Sequence[tuple[str, Sequence[str], Sequence[float]]], *, caption: str) -> Figure:
    """Bars, one panel above the other: title, names and values; each has a scale of its own."""
    rows = [len(names) for _, names, _ in parts]
    figure = _drawing(0.55 * len(parts) + 0.36 * sum(rows))
    places = figure.subplots(len(parts), height_ratios=rows, squeeze=False)[:, 0]
    for axes, (title, names, values) in zip(places, parts, strict=True):
        _style(axes)
        _bars(axes, names, values)
        axes.set_title(title, loc="left", color=_SOFT, fontsize=9)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return Figure(svg=_svg(figure), caption=caption)


def intervals(
    points: Sequence[tuple[str, float, float, tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    caption: str,
) -> Figure:
    """Points (name, x, y, (low, high)) with bars from low to high; the names stand in a legend."""
    figure, axes = _axes(x_label, y_label)
    for index, (name, x, y, (low, high)) in enumerate(points):
        axes.errorbar(
            [x],
            [y],
            yerr=[[y - low], [high - y]],
            color=COLOURS[index % len(COLOURS)],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=6,
            capsize=3,
            linestyle="none",
            label=name,
        )
    axes.margins(0.12, 0.1)
    axes.legend(
        frameon=False,
        labelcolor=_FG,
        fontsize=8,
        loc="upper left",
        bbox_to_anchor=(0, -0.2),
        ncols=2,
    )
    return Figure(svg=_svg(figure), caption=caption)


def _drawing(height: float) -> Any:
    require("matplotlib", extra="bench", job="Drawing plots")
    from matplotlib.figure import Figure as Drawing

    return Drawing(figsize=(4.4, height), layout="constrained")


def _axes(x_label: str, y_label: str) -> tuple[Any, Any]:
    figure = _drawing(3.1)
    axes = figure.add_subplot()
    _style(axes)
    axes.set_xlabel(x_label, color=_FG)
    axes.set_ylabel(y_label, color=_FG)
    return figure, axes


def _style(axes: Any) -> None:
    axes.tick_params(colors=_SOFT, labelsize=8)
    axes.grid(color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(_LINE)


def _svg(figure: Any) -> str:
    import matplotlib as mpl

    buffer = io.StringIO()
    # A fixed salt and no date: the same records give the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ralikit"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _THEME.items():
        text = text.replace(colour, variable)
    return text.replace("<svg ", '<svg role="img" aria-hidden="true" ', 1)
