"""Statistics of timing samples: what can be said of a difference, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[float]


@dataclass(frozen=True)
class Summary:
    """Latency in seconds: median, 90th percentile, and the interquartile range over the median."""

    count: int
    median: float
    p90: float
    spread: float


def summarise(samples: Samples) -> Summary:
    """Summarise raw samples.

    Raises:
        ValueError: If there are none.
    """
    if not len(samples):
        raise ValueError("no samples to summarise")
    x = np.asarray(samples, dtype=np.float64)
    q25, q50, q75, q90 = np.percentile(x, [25, 50, 75, 90])
    return Summary(len(x), float(q50), float(q90), float((q75 - q25) / q50) if q50 > 0 else 0.0)


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def slower(self, margin: float) -> bool:
        """Whether the numerator is slower beyond noise and by more than `margin` (0.02 = 2 %)."""
        return self.low > 1.0 and self.value > 1.0 + margin


def ratio_of_medians(
    numerator: Samples,
    denominator: Samples,
    *,
    numerator_rounds: Sequence[int] | None = None,
    denominator_rounds: Sequence[int] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Ratio:
    """Ratio of two medians with a bootstrap over rounds, since noise comes in spells.

    Samples of one round share whatever the machine was doing; drawing single samples would take
    them for independent and call noise a difference. Where rounds are given for both, whole rounds
    are drawn, the same ones for both sides if they were interleaved (same round names).

    Args:
        numerator: Samples of the new or quicker thing, seconds.
        denominator: Samples it is compared with.
        numerator_rounds: Round of each sample, same length; None: one round a sample.
        denominator_rounds: The same for the other side.
        resamples: Bootstrap draws.
        seed: Of the draws; the same samples give the same interval.

    Raises:
        ValueError: If a side is empty or its rounds have another length.
    """
    a, b = _by_round(numerator, numerator_rounds), _by_round(denominator, denominator_rounds)
    rng = np.random.default_rng(seed)
    value = _median(list(a.values())) / _median(list(b.values()))
    shared = sorted(a.keys() & b.keys())
    paired = len(shared) >= 3 and numerator_rounds is not None and denominator_rounds is not None
    draws = np.empty(resamples)
    keys_a, keys_b = sorted(a), sorted(b)
    for index in range(resamples):
        if paired:
            drawn = [shared[i] for i in rng.integers(len(shared), size=len(shared))]
            top, bottom = [a[k] for k in drawn], [b[k] for k in drawn]
        else:
            top = [a[keys_a[i]] for i in rng.integers(len(keys_a), size=len(keys_a))]
            bottom = [b[keys_b[i]] for i in rng.integers(len(keys_b), size=len(keys_b))]
        draws[index] = _median(top) / _median(bottom)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Ratio(float(value), float(low), float(high))


def _by_round(samples: Samples, rounds: Sequence[int] | None) -> dict[int, NDArray[np.float64]]:
    x = np.asarray(samples, dtype=np.float64)
    if not len(x):
        raise ValueError("no samples to compare")
    names = np.arange(len(x)) if rounds is None else np.asarray(rounds)
    if len(names) != len(x):
        raise ValueError(f"{len(x)} samples but {len(names)} round names")
    return {int(r): x[names == r] for r in np.unique(names)}


def _median(parts: list[NDArray[np.float64]]) -> float:
    return float(np.median(np.concatenate(parts)))


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of points no other one beats in both (cost, loss): smaller is better in each."""
    return [
        i
        for i, (cost, loss) in enumerate(points)
        if not any(
            (c <= cost and v <= loss) and (c < cost or v < loss)
            for j, (c, v) in enumerate(points)
            if j != i
        )
    ]
