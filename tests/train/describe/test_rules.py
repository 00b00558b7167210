"""Rule-based texts: what is measured is true, words follow it, and a seed fixes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from support_photo import textured

from ralikit.data.metas import Sample
from ralikit.data.triplets import read_triplets
from ralikit.errors import DataError
from ralikit.photo.statistics import PhotoStatistics
from ralikit.train.describe.rules import describe, describe_rules, fit_rules, level
from ralikit.train.describe.wording import GRADES, LEVELS


def _statistics(**changes: float) -> PhotoStatistics:
    plain = dict.fromkeys(PhotoStatistics.__dataclass_fields__, 5.0)
    return PhotoStatistics(**{**plain, **changes})


def test_words_follow_the_statistics_and_the_mos() -> None:
    crowd = [_statistics(sharpness=v, noise=v) for v in np.linspace(0, 10, 50)]
    rules = fit_rules(crowd)
    rng = np.random.default_rng(0)
    soft = [describe(crowd[0], 1.2, rules, rng=rng) for _ in range(30)]
    sharp = [describe(crowd[-1], 4.8, rules, rng=rng) for _ in range(30)]
    assert all(any(w in text for w in GRADES["sharpness"][0]) for text in soft)
    assert all(any(w in text for w in GRADES["sharpness"][4]) for text in sharp)
    assert all(any(w in text for w in LEVELS[0]) for text in soft)
    assert all(any(w in text for w in LEVELS[-1]) for text in sharp)
    assert len(set(soft)) > 20  # varied wordings
    assert [level(m) for m in (1.0, 3.0, 5.0)] == [0, 4, 8]
    with pytest.raises(DataError, match="no photos"):
        fit_rules([])


def test_texts_depend_on_seed_and_name_not_on_order(tmp_path: Path) -> None:
    samples = []
    for index in range(4):
        path = tmp_path / f"{index}.png"
        Image.fromarray(textured()).filter(ImageFilter.GaussianBlur(index)).save(path)
        samples.append(Sample(image=path, name=path.name, score=4.0 - index * 0.7, raw=0.0))
    assert describe_rules(samples, tmp_path / "a.jsonl", texts=3, seed=7) == 4
    assert describe_rules(samples[::-1], tmp_path / "b.jsonl", texts=3, seed=7) == 4
    assert describe_rules(samples, tmp_path / "c.jsonl", texts=3, seed=8) == 4
    a, b, c = ({t.image: t.texts for t in read_triplets(tmp_path / f"{n}.jsonl")} for n in "abc")
    assert a == b
    assert a != c
    assert len(a["0.png"]) == 3
    before = (tmp_path / "a.jsonl").read_bytes()
    assert describe_rules(samples, tmp_path / "a.jsonl", texts=3, seed=7) == 0
    assert (tmp_path / "a.jsonl").read_bytes() == before
