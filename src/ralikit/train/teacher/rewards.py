"""The rewards of Q-Insight and VisualQuality-R1 as pure functions of numbers.

`ralikit.train.teacher.grpo` wires them to TRL; what stands here can be worked out by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ralikit.photo.degrade import Degradation

__all__ = ["Rl2rVariant", "degradation_reward", "fidelity_rewards", "score_reward"]

Array = NDArray[np.float64]

Rl2rVariant = Literal["mean", "binary", "probability-average", "fixed-variance"]
"""VisualQuality-R1's fidelity reward: its default and the three variants of its ablation."""

GAMMA = 1e-6
"""Keeps the denominator of the comparison off zero (VisualQuality-R1, eq. 3)."""


def score_reward(rating: float | None, mos: float, *, tolerance: float = 0.35) -> float:
    """1 if the rating lies strictly closer than `tolerance` to the MOS, else 0 (Q-Insight, eq. 2).

    Args:
        rating: The rating read from the answer, 1..5; None where there was none.
        mos: Mean opinion score, 1..5.
        tolerance: In MOS points; exactly this far away earns nothing.
    """
    # Ratings and MOS have a few decimals; rounding keeps 3.35 against 3.00 exactly 0.35 away.
    return float(rating is not None and round(abs(rating - mos), 9) < tolerance)


def degradation_reward(
    answer: Degradation | None,
    truth: Degradation,
    *,
    class_weight: float = 0.25,
    severity_weight: float = 0.75,
) -> float:
    """`class_weight` for the right class, and only then `severity_weight` for the right severity.

    Q-Insight, section 3.3. A clean photo's class and severity are both ``"null"``.
    """
    if answer is None or answer.kind != truth.kind:
        return 0.0
    return class_weight + (severity_weight if answer.severity == truth.severity else 0.0)


def fidelity_rewards(
    ratings: ArrayLike,
    mos: ArrayLike,
    *,
    datasets: Sequence[str] | None = None,
    variant: Rl2rVariant = "mean",
    gamma: float = GAMMA,
) -> Array:
    """How well each rating ranks its image against the others (VisualQuality-R1, eq. 2-5).

    Rating k of image i is compared with every other image j of the same dataset: the predicted
    probability that i is the better one, p, against the truth g (1, 0.5 or 0 from the MOS), by
    the fidelity sqrt(p g) + sqrt((1 - p) (1 - g)); the reward is the mean over j.

    ===================== ====================================================================
    ``mean``              p = Phi((q_k(i) - mean q(j)) / sqrt(var_i + var_j + gamma))
    ``binary``            1 if q_k(i) and mean q(j) stand in the order of the MOS, else 0
    ``probability-        mean over k' of Phi((q_k(i) - q_k'(j)) / sqrt(var_i + var_j + gamma))
    average``
    ``fixed-variance``    the probability average with both variances 1 (Thurstone, case V)
    ===================== ====================================================================

    Args:
        ratings: (B, K), K ratings of each of B images; NaN where an answer gave none. Such an
            answer earns 0 and takes no part in its image's mean and variance.
        mos: (B,), on each dataset's own scale: only the order is used, nothing is rescaled.
        datasets: (B,), the dataset of each image; None if all are of one.
        variant: Which of the four rewards.
        gamma: Added to the variances, > 0.

    Returns:
        (B, K), in 0..1; 0 for an image with no other of its dataset to be compared with.

    Raises:
        ValueError: On shapes that do not fit.
    """
    q = np.asarray(ratings, dtype=np.float64)
    truth = np.asarray(mos, dtype=np.float64)
    if q.ndim != 2 or truth.shape != q.shape[:1]:
        raise ValueError(f"ratings are (B, K) and mos (B,), not {q.shape} and {truth.shape}")
    names = ["" for _ in truth] if datasets is None else list(datasets)
    if len(names) != len(truth):
        raise ValueError(f"{len(truth)} images have {len(names)} datasets")

    read = np.isfinite(q)
    counts = read.sum(axis=1)
    filled = np.where(read, q, 0.0)
    mean = filled.sum(axis=1) / np.maximum(counts, 1)
    deviation = np.where(read, q - mean[:, None], 0.0)
    variance = (deviation**2).sum(axis=1) / np.maximum(counts - 1, 1)  # unbiased; 0 for one rating

    rewards = np.zeros_like(q)
    for i, k in zip(*np.nonzero(read), strict=True):
        others = [j for j in range(len(q)) if j != i and names[j] == names[i] and counts[j] > 0]
        if not others:
            continue
        total = 0.0
        for j in others:
            order = float(np.sign(truth[i] - truth[j]))  # 1, 0, -1
            if variant == "binary":
                total += float(np.sign(q[i, k] - mean[j]) == order)
                continue
            p = _preference(
                q[i, k], mean[j], q[j][read[j]], variance[i] + variance[j], variant, gamma
            )
            g = (order + 1.0) / 2.0
            total += math.sqrt(p * g) + math.sqrt((1.0 - p) * (1.0 - g))
        rewards[i, k] = total / len(others)
    return rewards


def _preference(
    own: float, mean: float, each: Array, variance: float, variant: Rl2rVariant, gamma: float
) -> float:
    """Probability that the image rated `own` is better than the other."""
    if variant == "mean":
        return _phi((own - mean) / math.sqrt(variance + gamma))
    spread = math.sqrt((2.0 if variant == "fixed-variance" else variance) + gamma)
    return sum(_phi((own - other) / spread) for other in each) / len(each)


def _phi(x: float) -> float:
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
