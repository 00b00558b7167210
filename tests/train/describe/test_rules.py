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
from ralikit.photo.degrade import Pixels, compress
from ralikit.photo.statistics import PhotoStatistics
from ralikit.train.describe.rules import (
    describe,
    describe_faults,
    describe_rules,
    find_faults,
    fit_rules,
    level,
    measure_places,
)
from ralikit.train.describe.wording import FAULTS, FLAWLESS, GRADES, LEVELS


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


def _crowd() -> list[Pixels]:
    """Photos that differ in every measurement, so that no small difference is a fault."""
    rng = np.random.default_rng(3)
    crowd = []
    for _ in range(24):
        image = Image.fromarray(textured()).filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))
        levels = np.asarray(image) * rng.uniform(0.4, 1.2) + rng.normal(0, 5, (192, 256, 3))
        noisy = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
        crowd.append(np.asarray(compress(noisy, int(rng.integers(10, 95)))))
    return crowd


def test_a_fault_is_found_where_it_was_put() -> None:
    rules = fit_rules([measure_places(photo).whole for photo in _crowd()])
    dark = textured()
    assert "dark" not in dict(find_faults(measure_places(dark), rules))
    dark[128:, 171:] //= 12
    assert ("dark", "lower right") in find_faults(measure_places(dark), rules)
    assert ("dark", "") in find_faults(measure_places(textured() // np.uint8(12)), rules)
    soft = Image.fromarray(textured()).filter(ImageFilter.GaussianBlur(6))
    assert ("blurred", "") in find_faults(measure_places(np.asarray(soft)), rules)


def test_faults_are_told_without_a_word_of_the_level() -> None:
    rules = fit_rules([measure_places(photo).whole for photo in _crowd()])
    rng = np.random.default_rng(0)
    measured = measure_places(textured() // np.uint8(12))
    worst, place = find_faults(measured, rules)[0]
    assert place == ""
    said = [describe_faults(measured, rules, rng=rng) for _ in range(40)]
    assert all(any(words in text.lower() for words in FAULTS[worst]) for text in said)
    every = {text for group in LEVELS for text in group}
    assert not any(f" {word} " in f" {text.lower()} " for text in said for word in every)
    assert len(set(said)) > 20


def test_words_choose_what_texts_speak_of(tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    Image.fromarray((textured() // 12).astype(np.uint8)).save(path)
    sample = [Sample(image=path, name="dark.png", score=1.2, raw=0.0)]
    texts = {}
    for words in ("level", "attributes", "both"):
        describe_rules(sample, tmp_path / f"{words}.jsonl", texts=6, words=words)
        texts[words] = [t.text for t in read_triplets(tmp_path / f"{words}.jsonl")[0].texts]
    lowest = LEVELS[0]
    faults = [*(w for words in FAULTS.values() for w in words), *(f.lower() for f in FLAWLESS)]
    for words, level_said, fault_said in (
        ("level", True, False),
        ("attributes", False, True),
        ("both", True, True),
    ):
        for text in texts[words]:
            assert any(w in text for w in lowest) == level_said, text
            assert any(w in text.lower() for w in faults) == fault_said, text


def test_without_the_verdict_the_words_are_the_same_but_for_it(tmp_path: Path) -> None:
    rules = fit_rules([_statistics(sharpness=v, noise=v) for v in np.linspace(0, 10, 50)])
    photo = _statistics(sharpness=0.0, noise=9.0)
    for seed in range(30):
        one, two = (
            describe(photo, 4.2, rules, rng=np.random.default_rng(seed), judged=judged)
            for judged in (True, False)
        )
        assert two in one
        assert any(word in one.replace(two, "") for word in LEVELS[level(4.2)])
        assert len(one) > len(two) + len("a photo")
    path = tmp_path / "photo.png"
    Image.fromarray(textured()).save(path)
    sample = [Sample(image=path, name="photo.png", score=4.2, raw=0.0)]
    for words in ("measurements", "measurements-alone"):
        describe_rules(sample, tmp_path / f"{words}.jsonl", texts=6, words=words)
    said = [
        [t.text for t in read_triplets(tmp_path / f"{words}.jsonl")[0].texts]
        for words in ("measurements", "measurements-alone")
    ]
    assert all(part in whole and part != whole for whole, part in zip(*said, strict=True))
