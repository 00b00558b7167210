"""Figures against numbers worked by hand and against scipy on the very photos drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from ralikit.errors import DataError
from ralikit.metrics import agreement, bootstrap

Floats = NDArray[np.float64]


def _noisy(seed: int, count: int, noise: float = 0.7) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    target = rng.normal(3, 0.8, count)
    return target + rng.normal(0, noise, count), target


def test_hand_worked() -> None:
    x, y = [1, 2, 3, 4, 5], [1, 3, 2, 5, 4]
    # Ranks differ by 0, 1, 1, 1, 1: 1 - 6 * 4 / (5 * 24) = 0.8.
    assert agreement.srcc(x, y) == pytest.approx(0.8)
    # 8 of the 10 pairs agree, 2 do not: (8 - 2) / 10 = 0.6.
    assert agreement.krcc(x, y) == pytest.approx(0.6)
    # Deviations (-2, -1, 0, 1, 2) and (-2, 0, -1, 2, 1): 8 / 10.
    assert agreement.plcc(x, y) == pytest.approx(0.8)
    # Errors 0, 1, -1, 1, -1.
    assert agreement.mae(x, y) == pytest.approx(0.8)
    assert agreement.rmse(x, y) == pytest.approx(math.sqrt(0.8))


def test_ties_share_their_mean_rank() -> None:
    # Ranks of x: 1.5, 1.5, 3; of y: 1, 2, 3. Deviations (-.5, -.5, 1), (-1, 0, 1).
    assert agreement.srcc([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2))
    # 2 pairs agree, 1 is tied in x: 2 / sqrt((3 - 1) * 3).
    assert agreement.krcc([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(6))


def test_the_logistic_is_found_again() -> None:
    x = np.linspace(-3, 8, 60)
    true = agreement.Logistic(high=4.6, low=1.2, middle=2.0, width=1.3)
    fitted = agreement.fit_logistic(x, true(x))
    assert fitted.high == pytest.approx(4.6, abs=1e-3)
    assert fitted.low == pytest.approx(1.2, abs=1e-3)
    assert fitted.middle == pytest.approx(2.0, abs=1e-3)
    assert fitted.width == pytest.approx(1.3, abs=1e-3)
    assert agreement.plcc_logistic(x, true(x)) == pytest.approx(1.0)
    assert agreement.plcc(x, true(x)) < 0.98


def test_the_logistic_equals_a_least_squares_fit() -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(size=200)
    predicted = target**3 + rng.normal(size=200) * 0.7

    def curve(x: Floats, a: float, b: float, c: float, d: float) -> Floats:
        return b + (a - b) / (1 + np.exp(-(x - c) / abs(d)))

    start = [target.max(), target.min(), predicted.mean(), 0.5]  # DeQA-Score's
    found, _ = optimize.curve_fit(curve, predicted, target, p0=start, maxfev=20000)
    expected = np.corrcoef(curve(predicted, *found), target)[0, 1]
    assert agreement.plcc_logistic(predicted, target) == pytest.approx(expected, abs=1e-6)
    # The fit may fall as well as rise: a predictor of badness is as good.
    assert agreement.plcc_logistic(-predicted, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("digits", [8, 1, 0])
def test_resampled_figures_equal_scipy_on_the_photos_drawn(digits: int) -> None:
    predicted, target = (np.round(a, digits) for a in _noisy(1, 40))
    counts = next(bootstrap.draw_counts(40, 5, seed=3))
    for row, drawn in enumerate(counts.astype(int)):
        x, y = np.repeat(predicted, drawn), np.repeat(target, drawn)
        expected = {
            "spearman": stats.spearmanr(x, y).statistic,
            "pearson": stats.pearsonr(x, y).statistic,
            "kendall": stats.kendalltau(x, y).statistic,
            "rms": agreement.rmse(x, y),
            "mean_abs": agreement.mae(x, y),
        }
        for name, value in expected.items():
            resampled = getattr(bootstrap, name)(predicted, target, counts)[row]
            assert resampled == pytest.approx(value, abs=1e-9), name
        logistic = bootstrap.logistic_pearson(predicted, target, counts)[row]
        assert logistic == pytest.approx(agreement.plcc_logistic(x, y), abs=6e-3)  # 40 photos


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # Population SRCC of a bivariate normal: 6 / pi * asin(r / 2).
    r = 0.8 / math.hypot(0.8, 0.7)
    truth = 6 / math.pi * math.asin(r / 2)
    inside = 0
    for seed in range(40):
        predicted, target = _noisy(seed, 120)
        draws = next(bootstrap.draw_counts(120, 250, seed=seed))
        low, high = np.quantile(bootstrap.spearman(predicted, target, draws), [0.025, 0.975])
        inside += low <= truth <= high
    assert 33 <= inside <= 40


def test_agreement_names_both_plcc_and_repeats_with_its_seed() -> None:
    predicted, target = _noisy(0, 60)
    once = agreement.agreement(predicted, target, resamples=100, seed=5)
    assert once == agreement.agreement(predicted, target, resamples=100, seed=5)
    assert once != agreement.agreement(predicted, target, resamples=100, seed=6)
    assert once.count == 60
    assert [agreement.NAMES[name] for name, _ in once.figures()] == [
        "SRCC",
        "PLCC (raw)",
        "PLCC (4-parameter logistic)",
        "KRCC",
        "RMSE",
        "MAE",
    ]
    for _, figure in once.figures():
        assert figure.low < figure.value < figure.high


def test_an_interval_leaves_out_as_much_on_either_side() -> None:
    predicted, target = _noisy(0, 60)
    draws = np.concatenate(
        [bootstrap.spearman(predicted, target, c) for c in bootstrap.draw_counts(60, 300, seed=5)]
    )
    for level in (0.95, 0.8):
        found = agreement.agreement(predicted, target, resamples=300, seed=5, level=level).srcc
        ends = np.quantile(draws, [(1 - level) / 2, 1 - (1 - level) / 2])
        assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_a_difference_is_tested_on_both_sides() -> None:
    first, target = _noisy(4, 80)
    second = first - 0.02 * (first - target) + 0.05 * _noisy(6, 80)[0]
    deltas = np.concatenate(
        [
            bootstrap.spearman(second, target, c) - bootstrap.spearman(first, target, c)
            for c in bootstrap.draw_counts(80, 400, seed=2)
        ]
    )
    tail = min(np.mean(deltas <= 0), np.mean(deltas >= 0))
    assert 0.01 < tail < 0.4
    found = agreement.paired_difference(first, second, target, resamples=400, seed=2)
    assert found.p_value == pytest.approx(2 * tail)


def test_paired_bootstrap_sees_what_separate_intervals_do_not() -> None:
    predicted, target = _noisy(4, 300)
    better = predicted - 0.15 * (predicted - target)  # the same errors, a little smaller
    first = agreement.agreement(predicted, target, resamples=200)
    second = agreement.agreement(better, target, resamples=200)
    assert second.srcc.low < first.srcc.high  # the intervals overlap
    difference = agreement.paired_difference(predicted, better, target, resamples=500)
    assert difference.delta.value == pytest.approx(difference.second - difference.first)
    assert not difference.tie
    assert difference.p_value < 0.05
    other, _ = _noisy(5, 300)
    other = target + (other - _noisy(5, 300)[1])  # as much noise, drawn anew
    assert agreement.paired_difference(predicted, other, target, resamples=200).tie


@pytest.mark.parametrize(
    ("predicted", "target", "message"),
    [
        ([1, 2], [1, 2], "at least 3 photos, not 2"),
        ([1, 2, 3], [1, 2], "3 predictions do not match 2"),
        ([1, math.nan, 3], [1, 2, 3], "1 of 3 predictions are not finite, the first is number 2"),
        ([1, 2, 3], [1, 2, math.inf], "1 of 3 opinion scores are not finite"),
        ([2, 2, 2], [1, 2, 3], "all 3 predictions are 2"),
        ([1, 2, 3], [4, 4, 4], "all 3 opinion scores are 4"),
    ],
)
def test_degenerate_input_is_one_sentence(
    predicted: list[float], target: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        agreement.agreement(predicted, target, resamples=2)
    with pytest.raises(DataError, match=message):
        agreement.paired_difference(predicted, predicted, target, resamples=2)
    with pytest.raises(ValueError, match="metric must be one of srcc"):
        agreement.paired_difference([1, 2, 3], [1, 2, 4], [1, 2, 3], metric="r2")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 3)),
        min_size=4,
        max_size=30,
        unique=True,
    ),
    st.integers(0, 10**6),
)
def test_rank_figures_do_not_see_a_rising_map(values: list[float], seed: int) -> None:
    x = np.array(values)
    y = np.random.default_rng(seed).permutation(x)
    assert agreement.srcc(np.arctan(x / 50), y) == pytest.approx(agreement.srcc(x, y))
    assert agreement.krcc(x**3, y) == pytest.approx(agreement.krcc(x, y))
    assert agreement.plcc(2 * x + 1, y) == pytest.approx(agreement.plcc(x, y))
    assert -1 <= agreement.plcc_logistic(x, y) <= 1
