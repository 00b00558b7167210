"""The best shot, against its golden cases and against what a wrong rule would give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ralikit.best import SceneRule, Shot, find_scenes
from ralikit.errors import UsageError
from ralikit.photo.decode import decode
from ralikit.photo.fingerprint import fingerprint, likeness

GOLDEN = Path(__file__).parents[1] / "runtimes" / "golden"
BEST: dict[str, Any] = json.loads((GOLDEN / "best.json").read_text())


def _pattern(width: int, height: int) -> NDArray[np.uint8]:
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    made: NDArray[np.uint8] = ((7 * x + 13 * y + 29 * c + (x * y) % 11) % 256).astype(np.uint8)
    return made


@pytest.mark.parametrize("case", BEST["patterns"], ids=lambda c: f"{c['width']}x{c['height']}")
def test_fingerprints_of_patterns(case: dict[str, Any]) -> None:
    assert fingerprint(_pattern(case["width"], case["height"])).hex() == case["fingerprint"]


@pytest.mark.parametrize("name", BEST["photos"])
def test_fingerprints_of_photos(name: str) -> None:
    made = fingerprint(decode(GOLDEN / "images" / name).pixels)
    assert made.hex() == BEST["photos"][name]


def test_a_cell_is_the_rounded_mean_of_its_pixels() -> None:
    pixels = np.zeros((16, 24, 3), dtype=np.uint8)
    pixels[2:4, 3:6, 1] = [[10, 20, 30], [40, 50, 61]]  # 211 / 6 = 35.17
    pixels[14:16, 21:24, 2] = [[1, 1, 1], [0, 0, 0]]  # a half is rounded up
    cells = np.frombuffer(fingerprint(pixels), dtype=np.uint8).reshape(8, 8, 3)
    assert cells[1, 1, 1] == 35
    assert cells[7, 7, 2] == 1
    assert int(cells.sum()) == 36


@pytest.mark.parametrize("case", BEST["likenesses"])
def test_likenesses(case: dict[str, Any]) -> None:
    made = likeness(bytes.fromhex(case["one"]), bytes.fromhex(case["other"]))
    assert made == pytest.approx(case["likeness"], abs=1e-12)


def test_likeness_is_the_correlation() -> None:
    one, other = np.random.default_rng(0).integers(0, 256, (2, 192)).astype(np.uint8)
    expected = np.corrcoef(one.astype(float), other.astype(float))[0, 1]
    assert likeness(one.tobytes(), other.tobytes()) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", BEST["cases"], ids=lambda c: c["name"])
def test_scenes(case: dict[str, Any]) -> None:
    shots = [
        Shot(value=s["value"], taken=s["taken"], fingerprint=bytes.fromhex(s["fingerprint"]))
        for s in case["shots"]
    ]
    made = find_scenes(shots, tie_width=case["tie_width"], rule=SceneRule(**case["rule"]))
    assert [
        {"shots": list(s.shots), "best": s.best, "rivals": list(s.rivals)} for s in made
    ] == case["scenes"]
    assert [s.sure for s in made] == [not s["rivals"] for s in case["scenes"]]


def test_every_photo_lies_in_one_scene() -> None:
    rng = np.random.default_rng(1)
    looks = rng.integers(0, 256, (5, 192)).astype(np.uint8)
    shots = [
        Shot(
            value=float(rng.normal()),
            fingerprint=looks[rng.integers(5)].tobytes(),
            taken=None if rng.random() < 0.3 else float(rng.integers(1000)),
        )
        for _ in range(300)
    ]
    scenes = find_scenes(shots, tie_width=0.1)
    assert sorted(i for scene in scenes for i in scene.shots) == list(range(300))
    for scene in scenes:
        assert scene.best in scene.shots
        assert shots[scene.best].value == max(shots[i].value for i in scene.shots)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Shot(value=1.0, fingerprint=b"abc"), "192 bytes, not 3"),
        (lambda: SceneRule(seconds=-1.0), "seconds must be 0 or more"),
        (lambda: SceneRule(seconds=float("nan")), "seconds must be 0 or more"),
        (lambda: SceneRule(likeness=1.5), "likeness must lie within"),
        (lambda: SceneRule(copy_likeness=-2.0), "copy_likeness must lie within"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
