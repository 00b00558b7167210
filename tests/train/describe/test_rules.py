"""Rule-based texts: what is measured is true, words follow it, and a seed fixes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ralikit.data.metas import Sample
from ralikit.data.triplets import read_triplets
from ralikit.errors import DataError
from ralikit.photo.statistics import Measures, measure
from ralikit.train.describe.rules import describe, describe_rules, fit_rules, level
from ralikit.train.describe.wording import GRADES, LEVELS
from ralikit.train.rali.augment import worsen


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Soft shapes with fine texture on one half."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 200, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((256, 192), Image.Resampling.BICUBIC)).astype(np.float32)
    pixels[:, :128] += rng.normal(size=(192, 128, 1)) * 25
    return pixels.clip(0, 255).astype(np.uint8)


def test_each_measure_answers_to_its_own_degradation(photo: np.ndarray) -> None:
    base, rng = measure(photo), np.random.default_rng(1)
    assert measure(worsen(photo, "blur", 0.5, rng)).sharpness < base.sharpness - 0.5
    assert measure(worsen(photo, "noise", 0.5, rng)).noise > base.noise + 0.5
    assert measure(worsen(photo, "dark", 0.5, rng)).brightness < 0.5 * base.brightness
    assert measure(worsen(photo, "jpeg", 1.0, rng)).blocking > base.blocking + 0.3
    gray = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert measure(gray).colourfulness == pytest.approx(0.0, abs=1e-3)
    assert measure(np.full((64, 64, 3), 255, np.uint8)).clipping == 1.0
    assert measure(photo).blocking == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ValueError, match="too small"):
        measure(photo[:20])


def test_degradation_grows_with_severity(photo: np.ndarray) -> None:
    for kind in ("blur", "noise", "jpeg", "dark"):
        away = [
            np.abs(worsen(photo, kind, s, np.random.default_rng(0)).astype(int) - photo).mean()
            for s in (0.0, 0.5, 1.0)
        ]
        assert away[0] < away[1] < away[2]


def _measures(**changes: float) -> Measures:
    plain = dict.fromkeys(Measures.__dataclass_fields__, 5.0)
    return Measures(**{**plain, **changes})


def test_words_follow_the_measures_and_the_mos() -> None:
    crowd = [_measures(sharpness=v, noise=v) for v in np.linspace(0, 10, 50)]
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


def test_texts_depend_on_seed_and_name_not_on_order(tmp_path: Path, photo: np.ndarray) -> None:
    samples = []
    for index in range(4):
        path = tmp_path / f"{index}.png"
        Image.fromarray(photo).filter(ImageFilter.GaussianBlur(index)).save(path)
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
