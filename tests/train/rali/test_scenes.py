"""Photos of one scene stay together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ralikit.data.metas import Sample
from ralikit.train.rali.scenes import group_scenes


def test_scenes_join_what_looks_alike_and_what_was_shot_in_a_burst() -> None:
    names = ["a_1.png", "a_2.png", "a_9.png", "b.png", "c.png"]
    samples = [Sample(image=Path(n), name=n, score=3.0, raw=0.0) for n in names]
    samples[4] = Sample(image=Path("c.png"), name="c.png", score=3.0, raw=0.0, group="g")
    features = np.array([[5, 0, 0, 0], [4, 3, 0, 0], [4, -3, 0, 0], [0, 0, 5, 0], [0, 0, 4.9, 0.5]])

    def scenes(likeness: float, burst: float | None) -> list[str | None]:
        return [s.group for s in group_scenes(samples, features, likeness=likeness, burst=burst)]

    strict = scenes(0.95, None)
    assert strict[3] == strict[4]
    assert len(set(strict)) == 4
    bursts = scenes(0.95, 0.2)
    assert bursts[0] == bursts[1]
    assert bursts[0] != bursts[2]  # alike, but numbered far from it
