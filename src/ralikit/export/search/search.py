"""Export with a type for every layer, inside a team's budgets; the converted file decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.errors import ExportError
from ralikit.export.gate.gate import Gate
from ralikit.export.gate.parity import Limits, Parity
from ralikit.export.manifest import manifest_path, manifest_text, publish_pair
from ralikit.export.options import PLAIN, ExportOptions
from ralikit.export.pipeline import (
    Exported,
    checked_target,
    file_name,
    gate_for,
    look_up,
    made,
    seal,
)
from ralikit.export.quantise import layer_types
from ralikit.export.search.frontier import Budgets, Option, Point, choose, frontier, table
from ralikit.export.search.layer_options import layer_options
from ralikit.export.targets.target import Mixing, Target
from ralikit.files import size_bytes
from ralikit.model.bundle import Bundle
from ralikit.progress import Tell, named, telling

PRECISION = "auto"
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
        target: One of `ralikit.export.pipeline.TARGETS`.
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
    module = checked_target(target, PRECISION, bundle, options)
    file = out / file_name(bundle, module, PRECISION, options)
    what = f"{bundle.info.name} as {target}, auto"
    with publish_pair(file, overwrite=options.overwrite) as (draft, manifest):
        gate = gate or gate_for(bundle, options, tell=tell)
        with telling(tell):
            layers = layer_options(gate, module, tell=tell)
        points = frontier(layers, prefer=budgets.prefer)
        if _planned_whole(module, gate):
            points = [_whole_point(layers), *points]
        search = _Search(module, gate, points, budgets, options, draft, what, tell=tell)
        best = search.run()
        facts = search.publish(best, layers)
        manifest.write_text(manifest_text(draft, facts, name=file.name), encoding="utf-8")
    exported = Exported(
        target=target,
        precision=PRECISION,
        path=file,
        manifest=manifest_path(file),
        size=size_bytes(file),
        parity=best.parity,
        facts=facts,
    )
    return AutoExported(
        exported=exported,
        points=tuple(points),
        trials=tuple(search.trials),
        layers=layers,
        chosen=points[best.at],
    )


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
    look_up(bundle, targets, PRECISION, out, options)
    gate = gate_for(bundle, options, tell=tell)
    for number, name in enumerate(targets, 1):
        yield export_auto(
            bundle,
            target=name,
            out=out,
            budgets=budgets,
            options=options,
            gate=gate,
            tell=named(tell, f"{name}, {number} of {len(targets)}"),
        )


class _Search:
    """Convert mixes of a frontier until the cheapest that keeps to the budgets is found."""

    def __init__(
        self,
        target: Target,
        gate: Gate,
        points: Sequence[Point],
        budgets: Budgets,
        options: ExportOptions,
        draft: Path,
        what: str,
        *,
        tell: Tell | None,
    ) -> None:
        self._target, self._gate, self._points = target, gate, points
        self._budgets, self._options = budgets, options
        self._draft, self._what, self._tell = draft, what, tell
        self.trials: list[Trial] = []
        self._facts: dict[str, Any] = {}
        self._drafted: int | None = None

    def run(self) -> Trial:
        """The cheapest trial inside the budgets.

        Raises:
            ExportError: If there is none.
        """
        budget = self._budgets.max_drift
        failed, passed = -1, len(self._points)  # the answer lies above one, at or below the other
        if not math.isfinite(self._points[0].drift):
            whole = self._try(0)
            if self._keeps(whole) and self._fits(whole):
                return whole
            failed = 0
        at = self._points.index(choose(self._points, drift=budget))
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
        if not inside and failed < len(self._points) - 1:
            last = self._try(len(self._points) - 1)
            inside = [last] if self._keeps(last) else []
        if not inside:
            raise ExportError(self._impossible())
        best = min(inside, key=lambda t: t.at)
        if not self._fits(best):
            raise ExportError(self._too_large(best))
        return best

    def publish(self, best: Trial, layers: Mapping[str, Sequence[Option]]) -> dict[str, Any]:
        """Leave the best trial's file as the draft, its facts complete; returns them."""
        if self._drafted != best.at:
            self._convert(best.at)
        point = self._points[best.at]
        self._facts["auto"] = {
            "budgets": {
                "max_drift": self._budgets.max_drift,
                "min_srcc": self._budgets.min_srcc,
                "budget_mb": self._budgets.budget_mb,
                "prefer": self._budgets.prefer,
            },
            "predicted_drift": _rounded(point.drift),
            "layers": table(layers, point),
            "trials": [
                {
                    "bytes": t.size,
                    "predicted_drift": _rounded(self._points[t.at].drift),
                    **t.parity.figures(),
                }
                for t in self.trials
            ],
        }
        self._facts["limits"] = Limits(
            max_drift=self._budgets.max_drift,
            srcc=self._budgets.min_srcc,
            golden=max(_GOLDEN * self._budgets.max_drift, 1e-4),
        ).figures()
        seal(self._target, self._draft, self._facts, what=self._what)
        return self._facts

    def _try(self, at: int) -> Trial:
        parity = self._convert(at)
        trial = Trial(at=at, size=size_bytes(self._draft), parity=parity)
        self.trials.append(trial)
        return trial

    def _convert(self, at: int) -> Parity:
        self._drafted = None
        _remove(self._draft)
        point = self._points[at]
        planned = math.isfinite(point.drift)
        self._facts, parity = made(
            self._target,
            PRECISION if planned else _WHOLE[self._budgets.prefer],
            self._options,
            self._gate,
            self._draft,
            what=self._what,
            types=_whole(self._gate, point.types, self._target) if planned else None,
            # What is over a budget is no failure here: the search goes on.
            limits=_ANY,
            last=False,
            tell=self._tell,
        )
        self._drafted = at
        return parity

    def _keeps(self, trial: Trial) -> bool:
        parity, budgets = trial.parity, self._budgets
        ranked = parity.srcc is None or parity.srcc >= budgets.min_srcc
        return parity.max_drift <= budgets.max_drift and ranked

    def _fits(self, trial: Trial) -> bool:
        limit = self._budgets.budget_mb
        return limit is None or trial.size <= limit * 1e6

    def _next(self, trial: Trial, failed: int, passed: int) -> int:
        # Scale the predictions by what was just measured; stay strictly between the bounds.
        predicted = self._points[trial.at].drift
        ratio = trial.parity.max_drift / max(predicted, 1e-9)
        wanted = 0.9 * self._budgets.max_drift / max(ratio, 1e-9)
        guess = self._points.index(choose(self._points, drift=wanted))
        low, high = failed + 1, min(passed - 1, len(self._points) - 1)
        if not low <= guess <= high:
            guess = (low + high) // 2
        return guess

    def _impossible(self) -> str:
        nearest = min(self.trials, key=lambda t: t.parity.max_drift)
        rank = "" if nearest.parity.srcc is None else f" and SRCC {nearest.parity.srcc:.5f}"
        return (
            f"{self._what}: no mix keeps within a drift of {self._budgets.max_drift:g} and SRCC "
            f"{self._budgets.min_srcc:g}; the nearest possible drifts "
            f"{nearest.parity.max_drift:.5f}{rank}, in {nearest.size / 1e6:.1f} MB"
        )

    def _too_large(self, best: Trial) -> str:
        smaller = [t for t in self.trials if t.size < best.size]
        words = ""
        if smaller:
            small = min(smaller, key=lambda t: t.size)
            words = f"; {small.size / 1e6:.2f} MB would drift {small.parity.max_drift:.4f}"
        return (
            f"{self._what}: no mix keeps within a drift of {self._budgets.max_drift:g}, SRCC "
            f"{self._budgets.min_srcc:g} and {self._budgets.budget_mb:g} MB; the nearest possible "
            f"has {best.size / 1e6:.2f} MB{words}"
        )


def _planned_whole(target: Target, gate: Gate) -> bool:
    # A convolutional tower's int8 is planned as a whole, its channels evened out between layers:
    # the smallest file loses less that way than any mix of its size.
    whole = not isinstance(target, Mixing) and "int8" in target.PRECISIONS
    return whole and gate.graph.tower.arithmetic == "static"


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


def _whole(gate: Gate, chosen: Mapping[str, str], target: Target) -> dict[str, str]:
    # Layers that are not up for choice keep what the target's float file gives them.
    if isinstance(target, Mixing):
        rest = target.promises(gate.graph, "fp16")
    else:
        rest = layer_types.uniform_types(gate.graph, "float16")
    return rest | dict(chosen)


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
