"""Rewards on numbers worked out by hand from the papers' equations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ralikit.photo.degrade import Degradation
from ralikit.train.teacher.rewards import degradation_reward, fidelity_rewards, score_reward


def phi(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


@pytest.mark.parametrize(
    ("rating", "mos", "reward"),
    [(3.34, 3.0, 1.0), (3.35, 3.0, 0.0), (2.65, 3.0, 0.0), (2.66, 3.0, 1.0), (None, 3.0, 0.0)],
)
def test_score_reward_is_strict_at_the_tolerance(
    rating: float | None, mos: float, reward: float
) -> None:
    assert score_reward(rating, mos) == reward


def test_score_reward_at_the_tolerance_for_every_hundredth() -> None:
    # 1.65 - 1.30 is 0.34999... in binary: the paper's < must not depend on that.
    for hundredths in range(100, 466):
        mos = hundredths / 100
        assert score_reward((hundredths + 35) / 100, mos) == 0.0
        assert score_reward((hundredths + 34) / 100, mos) == 1.0


def test_degradation_reward() -> None:
    truth = Degradation("blur", "serious")
    assert degradation_reward(truth, truth) == 1.0
    assert degradation_reward(Degradation("blur", "slight"), truth) == 0.25
    assert degradation_reward(Degradation("noise", "serious"), truth) == 0.0
    assert degradation_reward(None, truth) == 0.0
    clean = Degradation("null", "null")
    assert degradation_reward(clean, clean) == 1.0
    assert degradation_reward(Degradation("null", "slight"), clean) == 0.25
    weighted = degradation_reward(truth, truth, class_weight=0.5, severity_weight=0.1)
    assert weighted == pytest.approx(0.6)


def test_rl2r_of_two_images_by_hand() -> None:
    # i: 4, 3 (mean 3.5, variance 0.5); j: 2, 2 (mean 2, variance 0); MOS say i is better.
    rewards = fidelity_rewards([[4.0, 3.0], [2.0, 2.0]], [5.0, 1.0])
    spread = math.sqrt(0.5 + 0.0 + 1e-6)
    expected = [
        [math.sqrt(phi((4.0 - 2.0) / spread)), math.sqrt(phi((3.0 - 2.0) / spread))],
        [math.sqrt(1.0 - phi((2.0 - 3.5) / spread))] * 2,
    ]
    np.testing.assert_allclose(rewards, expected, atol=1e-12)
    np.testing.assert_allclose(rewards[0, 1], math.sqrt(0.921350), atol=1e-5)  # Phi(sqrt 2)


def test_rl2r_tie_in_the_mos_rewards_equal_ratings() -> None:
    # g = 0.5: sqrt(p/2) + sqrt((1-p)/2) is 1 at p = 0.5 and sqrt(0.5) at p = 0 or 1.
    same = fidelity_rewards([[3.0, 3.0], [3.0, 3.0]], [2.0, 2.0])
    np.testing.assert_allclose(same, 1.0, atol=1e-12)
    apart = fidelity_rewards([[5.0, 5.0], [1.0, 1.0]], [2.0, 2.0])
    np.testing.assert_allclose(apart, math.sqrt(0.5), atol=1e-9)


def test_rl2r_with_no_variance_is_certain() -> None:
    # Denominator sqrt(1e-6): a tenth of a point is a hundred standard deviations.
    right = fidelity_rewards([[3.1, 3.1], [3.0, 3.0]], [4.0, 2.0])
    np.testing.assert_allclose(right, 1.0, atol=1e-12)
    wrong = fidelity_rewards([[3.1, 3.1], [3.0, 3.0]], [2.0, 4.0])
    np.testing.assert_allclose(wrong, 0.0, atol=1e-12)
    # Equal ratings of unequal images: p = 0.5, g = 1.
    level = fidelity_rewards([[3.0, 3.0], [3.0, 3.0]], [2.0, 4.0])
    np.testing.assert_allclose(level, math.sqrt(0.5), atol=1e-12)


def test_rl2r_is_the_mean_over_the_other_images() -> None:
    ratings = [[4.0], [3.0], [2.0]]
    mos = [3.0, 5.0, 1.0]  # against image 1 wrong (0), against image 2 right (1)
    np.testing.assert_allclose(fidelity_rewards(ratings, mos)[0, 0], 0.5, atol=1e-12)


def test_rl2r_compares_within_a_dataset_alone() -> None:
    ratings = np.array([[4.0, 3.5], [2.0, 2.5], [1.0, 1.5], [5.0, 4.0]])
    mos = [60.0, 40.0, 4.0, 2.0]  # two sets on two scales: nothing is rescaled
    together = fidelity_rewards(ratings, mos, datasets=["koniq", "koniq", "spaq", "spaq"])
    np.testing.assert_array_equal(together[:2], fidelity_rewards(ratings[:2], mos[:2]))
    np.testing.assert_array_equal(together[2:], fidelity_rewards(ratings[2:], mos[2:]))
    alone = fidelity_rewards(ratings[:2], mos[:2], datasets=["koniq", "spaq"])
    np.testing.assert_array_equal(alone, 0.0)


def test_rl2r_depends_on_the_order_of_the_mos_alone() -> None:
    ratings = np.random.default_rng(0).uniform(1, 5, (5, 6))
    mos = np.array([3.0, 1.0, 4.0, 2.0, 2.0])
    np.testing.assert_array_equal(
        fidelity_rewards(ratings, mos), fidelity_rewards(ratings, 100.0 * mos - 7.0)
    )


def test_rl2r_answer_without_rating_earns_nothing_and_moves_nothing() -> None:
    full = fidelity_rewards([[4.0, 3.0], [2.0, 2.0]], [5.0, 1.0])
    holed = fidelity_rewards([[4.0, np.nan, 3.0], [np.nan, 2.0, 2.0]], [5.0, 1.0])
    np.testing.assert_array_equal(holed[0], [full[0, 0], 0.0, full[0, 1]])
    np.testing.assert_array_equal(holed[1], [0.0, full[1, 0], full[1, 1]])
    none = fidelity_rewards([[np.nan, np.nan], [2.0, 2.0]], [5.0, 1.0])
    np.testing.assert_array_equal(none, 0.0)


def test_rl2r_binary_variant() -> None:
    rewards = fidelity_rewards([[4.0, 1.0], [2.0, 2.0]], [5.0, 1.0], variant="binary")
    np.testing.assert_array_equal(rewards, [[1.0, 0.0], [1.0, 1.0]])
    tied = fidelity_rewards([[2.0, 3.0], [2.0, 2.0]], [3.0, 3.0], variant="binary")
    np.testing.assert_array_equal(tied, [[1.0, 0.0], [0.0, 0.0]])


def test_rl2r_probability_average_by_hand() -> None:
    rewards = fidelity_rewards([[4.0, 3.0], [3.0, 1.0]], [5.0, 1.0], variant="probability-average")
    spread = math.sqrt(0.5 + 2.0 + 1e-6)
    first = (phi((4.0 - 3.0) / spread) + phi((4.0 - 1.0) / spread)) / 2
    np.testing.assert_allclose(rewards[0, 0], math.sqrt(first), atol=1e-12)


def test_rl2r_fixed_variance_by_hand() -> None:
    rewards = fidelity_rewards([[4.0, 3.0], [3.0, 1.0]], [5.0, 1.0], variant="fixed-variance")
    spread = math.sqrt(2.0 + 1e-6)
    last = (phi((1.0 - 4.0) / spread) + phi((1.0 - 3.0) / spread)) / 2
    np.testing.assert_allclose(rewards[1, 1], math.sqrt(1.0 - last), atol=1e-12)


def test_rl2r_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"not \(2, 1\) and \(3,\)"):
        fidelity_rewards([[1.0], [2.0]], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="2 images have 1 datasets"):
        fidelity_rewards([[1.0], [2.0]], [1.0, 2.0], datasets=["a"])
