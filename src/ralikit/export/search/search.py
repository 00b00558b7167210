"""Export with a type for every layer, inside a team's budgets; the converted file decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ralikit.errors import ExportError
from ralikit.export.gate.gate import Gate
from ralikit.export.gate.limits import FIRST_REASON, Limits
from ralikit.export.gate.parity import Parity
from ralikit.export.one_thread import one_thread
from ralikit.export.options import PLAIN, ExportOptions
from ralikit.export.order import Order, order, with_precision
from ralikit.export.pipeline import (
    Exported,
    Proven,
    convert,
    each,
    gate_for,
    prove,
    publish,
)
from ralikit.export.search.frontier import Budgets, Option, Point, choose, frontier, table
from ralikit.export.search.layer_options import layer_options
from ralikit.export.targets.target import AUTO
from ralikit.files import size_bytes
from ralikit.model.bundle import Bundle
from ralikit.progress import Tell, telling

_TRIALS = 6
_TRIALS_LARGE = 3
_FILLED = 0.7  # of the drift allowed: from here on a cheaper mix is not tried for
_GOLDEN = 3.0  # times the drift allowed: golden photos are stranger than a gate's
_ANY = Limits(golden=100.0)
_WHOLE = {"speed": "int8", "size": "int8-weights"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """One mix that was converted and run.

    Attributes:
        at: Its place on the frontier.
        size: The file's bytes.
        parity: How it compares with the reference.
    """

    at: int
    size: int
    parity: Parity


@dataclass(frozen=True, kw_only=True, eq=False)
class AutoExported:
    """A file inside the budgets, and how it was found.

    Attributes:
        exported: The file.
        points: The frontier, cheapest first, with the drift predicted.
        trials: What was converted and run on the way.
        layers: Options of every layer.
        chosen: The point that was published.
    """

    exported: Exported
    points: tuple[Point, ...]
    trials: tuple[Trial, ...]
    layers: dict[str, list[Option]]
    chosen: Point


def export_auto(
    bundle: Bundle,
    *,
    target: str,
    out: Path,
    budgets: Budgets,
    options: ExportOptions = PLAIN,
    gate: Gate | None = None,
    tell: Tell | None = None,
) -> AutoExported:
    """Find the smallest (or fastest) mix of types inside the budgets, and export it.

    Args:
        bundle: The model.
        target: Name of one of `ralikit.export.targets.TARGETS`.
        out: Folder to publish into.
        budgets: What the file must keep to.
        options: What else is asked of it.
        gate: From an earlier export of the same bundle.
        tell: Told the stage and the share done.

    Raises:
        ExportError: If no mix keeps to the budgets; it names the nearest possible.
        ParityError: If the file then drifts on the golden photos.
        UsageError: If the target lacks what is asked of it, or the file exists.
    """
    asked = order(bundle, target=target, precision=AUTO, out=out, options=options)
    return _searched(asked, budgets, gate, tell)


def export_auto_all(
    bundle: Bundle,
    *,
    targets: Sequence[str],
    out: Path,
    budgets: Budgets,
    options: ExportOptions = PLAIN,
    tell: Tell | None = None,
) -> Iterator[AutoExported]:
    """`export_auto` for several targets, sharing the reference scores; arguments as there.

    Yields:
        Each file as soon as it is published.
    """

    def make(asked: Order, gate: Gate | None, tell: Tell | None) -> AutoExported:
        return _searched(asked, budgets, gate, tell)

    asked = [order(bundle, target=t, precision=AUTO, out=out, options=options) for t in targets]
    yield from each(asked, make, tell)


@one_thread()
def _searched(asked: Order, budgets: Budgets, gate: Gate | None, tell: Tell | None) -> AutoExported:
    found: list[tuple[_Search, Trial, dict[str, list[Option]]]] = []

    def make(path: Path) -> Proven:
        ready = gate or gate_for(asked.bundle, asked.options, tell=tell)
        layers = layer_options(ready, asked.target.load(), tell=tell)
        points = frontier(layers, prefer=budgets.prefer)
        if asked.target.plans_whole and ready.folded.tower.arithmetic == "static":
            # The smallest file loses less that way than any mix of its size.
            points = [_whole_point(layers), *points]
        search = _Search(asked, ready, points, budgets, path, tell=tell)
        best = search.run()
        found.append((search, best, layers))
        return search.proven(best, layers)

    with telling(tell):
        exported = publish(asked, make)
    ((search, best, layers),) = found
    return AutoExported(
        exported=exported,
        points=tuple(search.points),
        trials=tuple(search.trials),
        layers=layers,
        chosen=search.points[best.at],
    )


class _Search:
    """Convert mixes of a frontier until the cheapest that keeps to the budgets is found."""

    def __init__(
        self,
        asked: Order,
        gate: Gate,
        points: Sequence[Point],
        budgets: Budgets,
        path: Path,
        *,
        tell: Tell | None,
    ) -> None:
        self._asked, self._gate, self.points = asked, gate, points
        self._budgets, self._path, self._tell = budgets, path, tell
        self.trials: list[Trial] = []
        self._drafted: tuple[int, Proven] | None = None

    def run(self) -> Trial:
        """The cheapest trial inside the budgets.

        Raises:
            ExportError: If there is none.
        """
        budget = self._budgets.max_drift
        failed, passed = -1, len(self.points)  # the answer lies above one, at or below the other
        if not math.isfinite(self.points[0].drift):
            whole = self._try(0)
            if self._keeps(whole) and self._fits(whole):
                return whole
            failed = 0
        at = self.points.index(choose(self.points, drift=budget))
        for _ in range(_TRIALS_LARGE if self._gate.large else _TRIALS):
            trial = self._try(at)
            if self._keeps(trial):
                passed = at
                if trial.parity.max_drift > _FILLED * budget:
                    break
            else:
                failed = at
            if passed - failed <= 1:
                break
            at = self._next(trial, failed, passed)
        inside = [t for t in self.trials if self._keeps(t)]
        if not inside and failed < len(self.points) - 1:
            last = self._try(len(self.points) - 1)
            inside = [last] if self._keeps(last) else []
        if not inside:
            raise ExportError(self._impossible())
        best = min(inside, key=lambda t: t.at)
        if not self._fits(best):
            raise ExportError(self._too_large(best))
        return best

    def proven(self, best: Trial, layers: Mapping[str, Sequence[Option]]) -> Proven:
        """The best trial's file at the draft's place, with the facts of the search."""
        proven = self._made(best.at)
        point = self.points[best.at]
        budgets = self._budgets
        auto = {
            "budgets": {
                "max_drift": budgets.max_drift,
                "min_srcc": budgets.min_srcc,
                "budget_mb": budgets.budget_mb,
                "prefer": budgets.prefer,
            },
            "predicted_drift": _rounded(point.drift),
            "layers": table(layers, point),
            "trials": [
                {
                    "bytes": t.size,
                    "predicted_drift": _rounded(self.points[t.at].drift),
                    **t.parity.figures(),
                }
                for t in self.trials
            ],
        }
        limits = Limits(
            max_drift=budgets.max_drift,
            srcc=budgets.min_srcc,
            first_reason=None if proven.parity.reasons is None else FIRST_REASON,
            golden=max(_GOLDEN * budgets.max_drift, 1e-4),
        )
        facts = {**proven.facts, "auto": auto, "limits": limits.figures()}
        return replace(proven, facts=facts)

    def _try(self, at: int) -> Trial:
        parity = self._made(at).parity
        trial = Trial(at=at, size=size_bytes(self._path), parity=parity)
        self.trials.append(trial)
        return trial

    def _made(self, at: int) -> Proven:
        if self._drafted is not None and self._drafted[0] == at:
            return self._drafted[1]
        self._drafted = None
        _remove(self._path)
        point, asked, types = self.points[at], self._asked, None
        if math.isfinite(point.drift):
            # Layers that are not up for choice keep what they have in a mix of this target.
            types = asked.target.load().types_of(self._gate.bench, AUTO) | point.types
        else:
            asked = with_precision(asked, _WHOLE[self._budgets.prefer])
        draft = convert(asked, self._gate, self._path, types=types, tell=self._tell)
        # What is over a budget is no failure here: the search goes on.
        proven = prove(draft, self._gate, limits=_ANY, tell=self._tell)
        self._drafted = (at, proven)
        return proven

    def _keeps(self, trial: Trial) -> bool:
        parity, budgets = trial.parity, self._budgets
        ranked = parity.srcc is None or parity.srcc >= budgets.min_srcc
        named = parity.reasons is None or parity.reasons.first >= FIRST_REASON
        return parity.max_drift <= budgets.max_drift and ranked and named

    def _fits(self, trial: Trial) -> bool:
        limit = self._budgets.budget_mb
        return limit is None or trial.size <= limit * 1e6

    def _next(self, trial: Trial, failed: int, passed: int) -> int:
        # Scale the predictions by what was just measured; stay strictly between the bounds.
        predicted = self.points[trial.at].drift
        ratio = trial.parity.max_drift / max(predicted, 1e-9)
        wanted = 0.9 * self._budgets.max_drift / max(ratio, 1e-9)
        guess = self.points.index(choose(self.points, drift=wanted))
        low, high = failed + 1, min(passed - 1, len(self.points) - 1)
        if not low <= guess <= high:
            guess = (low + high) // 2
        return guess

    def _impossible(self) -> str:
        nearest = min(self.trials, key=lambda t: t.parity.max_drift)
        rank = "" if nearest.parity.srcc is None else f" and SRCC {nearest.parity.srcc:.5f}"
        return (
            f"{self._asked.what}: no mix keeps within a drift of {self._budgets.max_drift:g} and "
            f"SRCC {self._budgets.min_srcc:g}; the nearest possible drifts "
            f"{nearest.parity.max_drift:.5f}{rank}, in {nearest.size / 1e6:.1f} MB"
        )

    def _too_large(self, best: Trial) -> str:
        smaller = [t for t in self.trials if t.size < best.size]
        words = ""
        if smaller:
            small = min(smaller, key=lambda t: t.size)
            words = f"; {small.size / 1e6:.2f} MB would drift {small.parity.max_drift:.4f}"
        return (
            f"{self._asked.what}: no mix keeps within a drift of {self._budgets.max_drift:g}, SRCC "
            f"{self._budgets.min_srcc:g} and {self._budgets.budget_mb:g} MB; the nearest possible "
            f"has {best.size / 1e6:.2f} MB{words}"
        )


def _whole_point(layers: Mapping[str, Sequence[Option]]) -> Point:
    # What it does to the score is not predicted: it is tried first.
    stored = {
        name: next(o for o in options if o.kind == "int8") for name, options in layers.items()
    }
    return Point(
        types=dict.fromkeys(layers, "int8"),
        size=sum(option.size for option in stored.values()),
        time=0.0,
        drift=math.inf,
    )


def _rounded(drift: float) -> float | None:
    return round(drift, 6) if math.isfinite(drift) else None


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
