"""Statistics on made-up samples: a planted slowdown is found, pure noise is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ralikit.bench.stats import pareto, ratio_of_medians, summarise

ROUNDS, PER_ROUND = 24, 30


def _run(rng: np.random.Generator, scale: float, spells: NDArray[np.float64]) -> list[float]:
    """Samples whose rounds share a spell of noise, as on a busy machine."""
    noise = rng.gamma(4.0, 0.01, size=(ROUNDS, PER_ROUND))
    return (scale * 0.010 * (1 + noise) * spells[:, None]).ravel().tolist()


def _names() -> list[int]:
    return [index for index in range(ROUNDS) for _ in range(PER_ROUND)]


def test_a_summary_by_hand() -> None:
    got = summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (got.count, got.median) == (5, 3.0)
    assert got.p90 == pytest.approx(4.6)
    assert got.spread == pytest.approx((4.0 - 2.0) / 3.0)
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


def test_a_planted_slowdown_is_found_and_noise_is_not() -> None:
    found, false_alarms = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        spells = rng.lognormal(0.0, 0.10, size=ROUNDS)  # shared: the runs are interleaved
        base, same, slow = (_run(rng, s, spells) for s in (1.0, 1.0, 1.05))
        options = {"numerator_rounds": _names(), "denominator_rounds": _names(), "resamples": 300}
        found += ratio_of_medians(slow, base, **options).slower(0.02)  # type: ignore[arg-type]
        false_alarms += ratio_of_medians(same, base, **options).slower(0.02)  # type: ignore[arg-type]
    assert found >= 19
    assert false_alarms <= 1


def test_spells_of_noise_widen_the_interval_unless_rounds_are_shared() -> None:
    rng = np.random.default_rng(1)
    a = _run(rng, 1.0, rng.lognormal(0.0, 0.2, size=ROUNDS))
    b = _run(rng, 1.0, rng.lognormal(0.0, 0.2, size=ROUNDS))
    by_round = ratio_of_medians(a, b, numerator_rounds=_names(), denominator_rounds=_names())
    naive = ratio_of_medians(a, b)
    assert by_round.high - by_round.low > 2 * (naive.high - naive.low)


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 samples but 1 round names"):
        ratio_of_medians([1.0, 2.0], [1.0], numerator_rounds=[0])
    with pytest.raises(ValueError, match="no samples"):
        ratio_of_medians([], [1.0])


def test_pareto_keeps_what_nothing_beats() -> None:
    assert pareto([(1.0, 3.0), (2.0, 2.0), (3.0, 2.5), (4.0, 1.0), (2.0, 2.0)]) == [0, 1, 3, 4]
