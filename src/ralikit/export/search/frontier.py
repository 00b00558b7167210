"""`--precision auto`: a type for every layer, chosen by what it costs the score.

Every layer's part in the drift is known to first order (`ralikit.export.search.sensitivity`). Parts
of different layers add like independent errors. Starting from the smallest types, layers are given
better ones in the order of drift saved for bytes spent (the lower convex hull of each layer's
choices, as in any knapsack relaxed), until the drift predicted is within the budget. The converted
file then decides: where it drifts otherwise than predicted, the prediction is scaled by the ratio
measured and the choice is made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError

PREFERENCES = ("size", "speed")


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """What an automatic mix must keep to.

    Attributes:
        max_drift: Largest difference from the float32 reference on any photo, on the score's scale.
        min_srcc: Least rank correlation with it.
        budget_mb: Largest file, 10^6 bytes; None: any.
        prefer: ``"size"``: the smallest file inside the others; ``"speed"``: the fastest.
    """

    max_drift: float = 0.02
    min_srcc: float = 0.998
    budget_mb: float | None = None
    prefer: str = "size"

    def __post_init__(self) -> None:
        if not self.max_drift > 0:
            raise UsageError(f"--max-drift must be above 0, not {self.max_drift:g}")
        if not 0 < self.min_srcc <= 1:
            raise UsageError(f"--min-srcc must lie in 0..1, not {self.min_srcc:g}")
        if self.budget_mb is not None and not self.budget_mb > 0:
            raise UsageError(f"--budget-mb must be above 0, not {self.budget_mb:g}")
        if self.prefer not in PREFERENCES:
            raise UsageError(f"--prefer is {' or '.join(PREFERENCES)}, not {self.prefer!r}")


@dataclass(frozen=True, eq=False)
class Option:
    """One way to store a layer.

    Attributes:
        kind: Its type.
        size: Bytes of the weight.
        time: Relative time of the layer (multiplications times the kernel's measured share).
        shifts: What it does to the score of each photo, (photos,), to first order.
    """

    kind: str
    size: int
    time: float
    shifts: NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A mix on the way from the smallest to the best: one point of the Pareto plot.

    Attributes:
        types: Type of every layer.
        size: Bytes of their weights.
        time: Relative time, 1 for all layers in float.
        drift: Largest difference predicted on any photo.
    """

    types: dict[str, str]
    size: int
    time: float
    drift: float


def frontier(layers: Mapping[str, Sequence[Option]], *, prefer: str = "size") -> list[Point]:
    """Mixes from the cheapest to the most exact, each a layer's step better than the one before.

    Args:
        layers: The options of every layer.
        prefer: What is to be kept small: ``"size"`` or ``"speed"``.
    """
    hulls = {name: _hull(options, prefer) for name, options in layers.items()}
    at = dict.fromkeys(hulls, 0)
    photos = len(next(iter(next(iter(layers.values())))).shifts) if layers else 0
    total = np.zeros(photos)
    for name, hull in hulls.items():
        total += hull[at[name]].shifts ** 2
    steps = sorted(
        (
            (_gain(hull[i], hull[i + 1], prefer), i, name)
            for name, hull in hulls.items()
            for i in range(len(hull) - 1)
        ),
        key=lambda step: (-step[0], step[1], step[2]),
    )
    whole = sum(max(o.time for o in options) for options in layers.values()) or 1.0
    points = [_point(hulls, at, total, whole)]
    for _, i, name in steps:
        total = total - hulls[name][i].shifts ** 2 + hulls[name][i + 1].shifts ** 2
        at[name] = i + 1
        points.append(_point(hulls, at, total, whole))
    return points


def choose(points: Sequence[Point], *, drift: float) -> Point:
    """The first mix of a frontier whose predicted drift is within a budget, else the most exact."""
    return next((p for p in points if p.drift <= drift), points[-1])


def _hull(options: Sequence[Option], prefer: str) -> list[Option]:
    # Lower convex hull over (cost, variance): only there is a step worth its price.
    ordered = sorted(options, key=lambda o: (_cost(o, prefer), _variance(o)))
    hull: list[Option] = []
    for option in ordered:
        if hull and _variance(option) >= _variance(hull[-1]):
            continue
        while len(hull) > 1 and _gain(hull[-2], hull[-1], prefer) <= _gain(
            hull[-1], option, prefer
        ):
            hull.pop()
        hull.append(option)
    return hull


def _gain(worse: Option, better: Option, prefer: str) -> float:
    spent = _cost(better, prefer) - _cost(worse, prefer)
    return (_variance(worse) - _variance(better)) / max(spent, 1e-12)


def _cost(option: Option, prefer: str) -> float:
    # The other cost breaks ties: of two equally fast types the smaller one is first.
    if prefer == "speed":
        return option.time + 1e-9 * option.size
    return option.size + 1e-9 * option.time


def _variance(option: Option) -> float:
    return float(np.square(option.shifts).mean())


def _point(
    hulls: Mapping[str, Sequence[Option]],
    at: Mapping[str, int],
    total: NDArray[np.float64],
    whole: float,
) -> Point:
    chosen = {name: hull[at[name]] for name, hull in hulls.items()}
    return Point(
        types={name: option.kind for name, option in chosen.items()},
        size=sum(option.size for option in chosen.values()),
        time=sum(option.time for option in chosen.values()) / whole,
        # Floating-point dust may leave a sum of squares a little below 0.
        drift=float(np.sqrt(np.maximum(total, 0.0)).max()) if total.size else 0.0,
    )


def table(layers: Mapping[str, Sequence[Option]], point: Point) -> list[dict[str, Any]]:
    """What was chosen, layer by layer, and what each choice alone does to the score. JSON-ready."""
    rows = []
    for name, options in layers.items():
        rows.append(
            {
                "layer": name,
                "type": point.types[name],
                "bytes": next(o.size for o in options if o.kind == point.types[name]),
                "shift": {o.kind: round(float(np.abs(o.shifts).max()), 6) for o in options},
            }
        )
    return rows
