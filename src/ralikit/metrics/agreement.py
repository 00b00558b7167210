"""Agreement of predicted scores with human opinion, each figure with its bootstrap interval.

Two correlations go by the name PLCC: the raw one (RALI, pyiqa) and the one after a 4-parameter
logistic fit (VQEG, DeQA-Score). Both are given, under two names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ralikit.errors import DataError
from ralikit.extras import require
from ralikit.metrics import bootstrap

Floats = NDArray[np.float64]
Metric = Callable[[Floats, Floats], float]
Resampled = Callable[[Floats, Floats, Floats], Floats]

NAMES = {
    "srcc": "SRCC",
    "plcc": "PLCC (raw)",
    "plcc_logistic": "PLCC (4-parameter logistic)",
    "krcc": "KRCC",
    "rmse": "RMSE",
    "mae": "MAE",
}
"""How the figures are printed; RMSE and MAE are in units of the target's scale."""

_LOG_WIDTH = (math.log(0.05), math.log(10.0))


@dataclass(frozen=True)
class Estimate:
    """A figure and the ends of its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well predictions agree with opinion scores over `count` photos (see `NAMES`)."""

    count: int
    srcc: Estimate
    plcc: Estimate
    plcc_logistic: Estimate
    krcc: Estimate
    rmse: Estimate
    mae: Estimate

    def figures(self) -> list[tuple[str, Estimate]]:
        """The figures by name, in the order they are printed."""
        return [(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "count"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of two predictors over the same photos.

    Attributes:
        metric: Its name, a key of `NAMES`.
        first: Value of the first predictor.
        second: Value of the second.
        delta: second - first, with its paired bootstrap interval.
        p_value: Two-sided bootstrap probability of a difference of the other sign or none.
    """

    metric: str
    first: float
    second: float
    delta: Estimate
    p_value: float

    @property
    def tie(self) -> bool:
        """Whether the interval holds 0: the two cannot be told apart on these photos."""
        return self.delta.low <= 0.0 <= self.delta.high


def srcc(predicted: ArrayLike, target: ArrayLike) -> float:
    """Spearman's rank correlation; ties share their mean rank."""
    return _srcc(*_pair(predicted, target))


def plcc(predicted: ArrayLike, target: ArrayLike) -> float:
    """Pearson's correlation of the scores as they are."""
    return _plcc(*_pair(predicted, target))


def plcc_logistic(predicted: ArrayLike, target: ArrayLike) -> float:
    """Pearson's correlation after `fit_logistic` has mapped predictions to the target's scale."""
    return _plcc_logistic(*_pair(predicted, target))


def krcc(predicted: ArrayLike, target: ArrayLike) -> float:
    """Kendall's rank correlation, tau-b."""
    return _krcc(*_pair(predicted, target))


def rmse(predicted: ArrayLike, target: ArrayLike) -> float:
    """Root of the mean squared error, in units of the scale; constant predictions are fine."""
    return _rmse(*_pair(predicted, target, varied=False))


def mae(predicted: ArrayLike, target: ArrayLike) -> float:
    """Mean absolute error, in units of the scale; constant predictions are fine."""
    return _mae(*_pair(predicted, target, varied=False))


@dataclass(frozen=True)
class Logistic:
    """f(x) = low + (high - low) / (1 + exp(-(x - middle) / |width|)) (VQEG, 2003)."""

    high: float
    low: float
    middle: float
    width: float

    def __call__(self, x: ArrayLike) -> Floats:
        """Map scores, any shape."""
        from scipy.special import expit

        slope = (np.asarray(x, dtype=np.float64) - self.middle) / abs(self.width)
        return np.asarray(self.low + (self.high - self.low) * expit(slope), dtype=np.float64)


def fit_logistic(predicted: ArrayLike, target: ArrayLike) -> Logistic:
    """Fit the 4-parameter logistic by least squares.

    The ends are linear, so they are solved for; middle and width are searched, from the best of a
    grid: no starting point to get stuck at. The width stays between 0.05 and 10 spreads of the
    predictions: below is a step that follows single photos, above a straight line.
    """
    return _fit_logistic(*_pair(predicted, target))


def agreement(
    predicted: ArrayLike,
    target: ArrayLike,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Agreement:
    """All figures with percentile bootstrap intervals over photos.

    The logistic is fitted anew in every resample (see `bootstrap.logistic_pearson`).

    Args:
        predicted: Scores, (n,).
        target: Opinion scores, (n,).
        resamples: Bootstrap resamples.
        seed: Of the resampling; the same seed gives the same intervals.
        level: Coverage of the intervals.

    Raises:
        DataError: If there are fewer than 3 photos, a value is not finite, or all are equal.
    """
    require("scipy", extra="train", job="Evaluation")
    x, y = _pair(predicted, target)
    draws: dict[str, list[Floats]] = {name: [] for name in _METRICS}
    for counts in bootstrap.draw_counts(len(x), resamples, seed=seed):
        for name, resampled in _RESAMPLED.items():
            draws[name].append(resampled(x, y, counts))
    figures: dict[str, Any] = {
        name: _estimate(metric(x, y), np.concatenate(draws[name]), level)
        for name, metric in _METRICS.items()
    }
    return Agreement(count=len(x), **figures)


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    target: ArrayLike,
    *,
    metric: str = "srcc",
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Paired bootstrap of the difference of two predictors over the same photos.

    Args:
        first: Scores of the one, (n,).
        second: Scores of the other, (n,).
        target: Opinion scores, (n,).
        metric: A key of `NAMES`.
        resamples: Bootstrap resamples; the same photos are drawn for both.
        seed: Of the resampling.
        level: Coverage of the interval.

    Raises:
        DataError: As `agreement`.
        ValueError: If the metric is unknown.
    """
    require("scipy", extra="train", job="Evaluation")
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {', '.join(_METRICS)}, not {metric!r}")
    measure, resampled = _METRICS[metric], _RESAMPLED[metric]
    a, y = _pair(first, target)
    b, _ = _pair(second, target)
    deltas = np.concatenate(
        [
            resampled(b, y, counts) - resampled(a, y, counts)
            for counts in bootstrap.draw_counts(len(y), resamples, seed=seed)
        ]
    )
    one, two = measure(a, y), measure(b, y)
    tail = min(float(np.mean(deltas <= 0)), float(np.mean(deltas >= 0)))
    return Difference(
        metric=metric,
        first=one,
        second=two,
        delta=_estimate(two - one, deltas, level),
        p_value=min(1.0, 2 * max(tail, 1 / (resamples + 1))),
    )


def _pair(predicted: ArrayLike, target: ArrayLike, *, varied: bool = True) -> tuple[Floats, Floats]:
    x = np.asarray(predicted, dtype=np.float64).reshape(-1)
    y = np.asarray(target, dtype=np.float64).reshape(-1)
    if len(x) != len(y):
        raise DataError(f"{len(x)} predictions do not match {len(y)} opinion scores")
    if len(x) < 3:
        raise DataError(f"agreement needs at least 3 photos, not {len(x)}")
    for name, values in (("predictions", x), ("opinion scores", y)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DataError(
                f"{len(bad)} of {len(x)} {name} are not finite, the first is number {bad[0] + 1}"
            )
        if varied and np.ptp(values) == 0:
            raise DataError(f"all {len(x)} {name} are {values[0]:g}: no correlation is defined")
    return x, y


def _estimate(value: float, draws: Floats, level: float) -> Estimate:
    # A draw of equal values alone has no correlation and is left out: it needs tiny sets.
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Estimate(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def _plcc(x: Floats, y: Floats) -> float:
    # Centred values divided by their own norm first: no overflow, no underflow.
    a, b = x - x.mean(), y - y.mean()
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.clip(a @ b / norm, -1.0, 1.0)) if norm > 0 else math.nan


def _srcc(x: Floats, y: Floats) -> float:
    from scipy.stats import rankdata

    return _plcc(rankdata(x), rankdata(y))


def _krcc(x: Floats, y: Floats) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(x, y, method="asymptotic").statistic)


def _rmse(x: Floats, y: Floats) -> float:
    return float(np.sqrt(np.mean((x - y) ** 2)))


def _mae(x: Floats, y: Floats) -> float:
    return float(np.mean(np.abs(x - y)))


def _plcc_logistic(x: Floats, y: Floats) -> float:
    return _plcc(_fit_logistic(x, y)(x), y)


def _fit_logistic(x: Floats, y: Floats) -> Logistic:
    from scipy.optimize import minimize

    z = bootstrap.standardise(x)
    centred = y - y.mean()

    def sigmoid(p: Floats) -> Floats:
        return Logistic(1.0, 0.0, float(p[0]), float(np.exp(np.clip(p[1], *_LOG_WIDTH))))(z)

    def loss(p: Floats) -> float:
        curve = sigmoid(p)
        curve = curve - curve.mean()
        power = float(curve @ curve)
        return -abs(float(curve @ centred)) / math.sqrt(power) if power > 1e-12 else 0.0

    middle, width = bootstrap.best_of_grid(x, y)
    fit = minimize(
        loss,
        [middle, math.log(width)],
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-10 * float(np.linalg.norm(centred)), "maxiter": 200},
    )
    curve = sigmoid(fit.x)
    slope = float((curve - curve.mean()) @ centred / np.sum((curve - curve.mean()) ** 2))
    low = float(y.mean() - slope * curve.mean())
    spread, centre = float(x.std()), float(x.mean())
    return Logistic(
        high=low + slope,
        low=low,
        middle=float(fit.x[0]) * spread + centre,
        width=float(np.exp(np.clip(fit.x[1], *_LOG_WIDTH))) * spread,
    )


_METRICS: dict[str, Metric] = {
    "srcc": _srcc,
    "plcc": _plcc,
    "plcc_logistic": _plcc_logistic,
    "krcc": _krcc,
    "rmse": _rmse,
    "mae": _mae,
}
_RESAMPLED: dict[str, Resampled] = {
    "srcc": bootstrap.spearman,
    "plcc": bootstrap.pearson,
    "plcc_logistic": bootstrap.logistic_pearson,
    "krcc": bootstrap.kendall,
    "rmse": bootstrap.rms,
    "mae": bootstrap.mean_abs,
}
