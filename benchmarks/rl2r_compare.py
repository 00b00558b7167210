"""What it does to RL2R's reward how many images are compared with each other.

    python benchmarks/rl2r_compare.py        # writes results/rl2r-compare.json, about a minute

The authors' code compares the 8 images of one GPU; `grpo.compare` says how many it is here. No
model is trained: eight images with six noisy ratings each are put into batches with 120 others,
again and again. A group's advantages, which are what GRPO learns from, should not depend on whose
company the images are in, and should be higher the closer a rating is to the opinion score.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.files import to_json, write_text
from ralikit.train.teacher.grpo_rewards import Rated, rl2r_rewards
from ralikit.train.teacher.recipe import RewardSettings

OUT = Path(__file__).parent / "results" / "rl2r-compare.json"
IMAGES, LOOKED_AT, RATINGS, BATCHES = 128, 8, 6, 30
BIAS = 0.4
"""Standard deviation of what all ratings of one image miss by, MOS points."""

Floats = NDArray[np.float64]


def rated(mos: Floats, noise: float, rng: np.random.Generator) -> Floats:
    """Ratings of images, (n, RATINGS): an error of the image's own and one of each answer."""
    bias = rng.normal(0, BIAS, (len(mos), 1))
    made: Floats = np.clip(mos[:, None] + bias + rng.normal(0, noise, (len(mos), RATINGS)), 1, 5)
    return made


def rewards(mos: Floats, ratings: Floats, order: NDArray[np.int64], compare: int | None) -> Floats:
    """Rewards of the first images in a batch of this order, (LOOKED_AT, RATINGS)."""
    answers = [
        Rated(int(i), float(ratings[i, k]), float(mos[i]), "set")
        for i in order
        for k in range(RATINGS)
    ]
    given = np.array(rl2r_rewards(answers, RewardSettings(), compare=compare))
    placed = np.empty((len(mos), RATINGS))
    placed[order] = given.reshape(len(mos), RATINGS)
    return placed[:LOOKED_AT]


def measure(noise: float, compare: int | None) -> dict[str, Any]:
    """Figures over many batches that share their first images."""
    rng = np.random.default_rng(0)
    own = rng.uniform(1, 5, LOOKED_AT)
    said = rated(own, noise, rng)
    found = []
    for batch in range(BATCHES):
        other = np.random.default_rng([1, batch])
        mos = np.concatenate([own, other.uniform(1, 5, IMAGES - LOOKED_AT)])
        ratings = np.concatenate([said, rated(mos[LOOKED_AT:], noise, other)])
        found.append(rewards(mos, ratings, other.permutation(IMAGES), compare))
    every = np.array(found)
    spread = every.std(axis=2, keepdims=True)
    advantages = ((every - every.mean(axis=2, keepdims=True)) / (spread + 1e-4)).reshape(
        BATCHES, -1
    )
    close = -np.abs(said - own[:, None])
    close = (close - close.mean(axis=1, keepdims=True)).ravel()
    pairs = combinations(range(BATCHES), 2)
    return {
        "noise": noise,
        "compare": compare or IMAGES,
        "reward_deviation_over_batches": float(every.std(axis=0).mean()),
        "reward_deviation_within_a_group": float(spread.mean()),
        "advantages_of_two_batches": float(
            np.mean([np.corrcoef(advantages[i], advantages[j])[0, 1] for i, j in pairs])
        ),
        "advantages_and_closeness": float(
            np.mean([np.corrcoef(row, close)[0, 1] for row in advantages])
        ),
    }


def main() -> None:
    """Measure and write."""
    rows = [measure(noise, compare) for noise in (0.3, 0.8) for compare in (8, 32, None)]
    for row in rows:
        print(row)
    write_text(OUT, to_json({"images": IMAGES, "ratings": RATINGS, "bias": BIAS, "rows": rows}))


if __name__ == "__main__":
    main()
