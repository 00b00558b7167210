"""The golden vectors hold here; every other language is held to the same files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from ralikit.files import read_json, sha256_bytes, sha256_path
from ralikit.models import bundled_path
from ralikit.photo.decode import decode
from ralikit.photo.views import load_views

ROOT = Path(__file__).parents[2] / "runtimes" / "golden"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"golden_{name}", ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _load("generate")
GOLDEN = read_json(ROOT / "golden.json")
PHOTOS = sorted(GOLDEN["photos"])


def test_the_set_is_complete_small_and_licensed() -> None:
    files = {p.name for p in (ROOT / "images").iterdir() if p.suffix in {".png", ".jpg"}}
    assert files == set(PHOTOS)
    assert all(entry["for"] and entry["licence"] for entry in GOLDEN["photos"].values())
    assert sum(p.stat().st_size for p in ROOT.rglob("*.[jp]*g")) < 2_000_000


def test_settings_are_the_generators() -> None:
    assert GOLDEN["settings"] == {
        name: generate.to_mapping(p) | {"anchors": [list(a) for a in p.anchors]}
        for name, p in generate.SETTINGS.items()
    }


@pytest.mark.parametrize("name", PHOTOS)
def test_pixels_after_every_step(name: str) -> None:
    path = ROOT / "images" / name
    expected = {k: v for k, v in GOLDEN["photos"][name].items() if k not in {"for", "licence"}}
    if name.endswith(".jpg"):
        # Another libjpeg may round differently: its pixels are near, not equal.
        wanted = np.asarray(Image.open(ROOT / "expected" / f"{path.stem}.upright.png"))
        assert np.abs(decode(path).pixels.astype(int) - wanted).max() <= 3
    else:
        assert generate.vectors(path) == expected


def test_views_from_the_file_are_the_views_from_its_pixels() -> None:
    for name in ("photo.png", "alpha_p3.png", "turned.png", "long.png"):
        for setting, preprocess in generate.SETTINGS.items():
            views = load_views(ROOT / "images" / name, preprocess)
            wanted = GOLDEN["photos"][name]["settings"][setting]["views"]["sha256"]
            assert sha256_bytes(views.tobytes()) == wanted


def test_every_step_does_something_somewhere() -> None:
    # A set on which a step changes nothing could not tell whether a runtime has that step.
    def changed(before: str, after: str) -> int:
        entries = (entry["steps"] for entry in GOLDEN["photos"].values())
        return sum(steps[before]["sha256"] != steps[after]["sha256"] for steps in entries)

    assert changed("stored", "srgb") >= 8
    assert changed("srgb", "upright") >= 8
    assert {entry["orientation"] for entry in GOLDEN["photos"].values()} == set(range(1, 9))


def test_a_wrong_pixel_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = generate.resize_image

    def slightly_off(image: Image.Image, *words: object, **more: object) -> Image.Image:
        made: Image.Image = real(image, *words, **more)
        made.putpixel((0, 0), (1, 2, 3))
        return made

    monkeypatch.setattr(generate, "resize_image", slightly_off)
    assert any("photo.png" in line for line in generate.check({}))


def test_scores_of_the_bundled_model() -> None:
    scorer = bundled_path() / "scorer.onnx"
    scores = ROOT / "scores.json"
    if not scorer.is_file() or not scores.is_file():
        pytest.skip("no bundled model, or no scores of it yet")
    found = generate.score_file(scorer)
    wanted = read_json(scores)["precisions"][found["precision"]]
    assert found["bundle"] == wanted["bundle"], "run: python runtimes/golden/generate.py"
    for name, score in wanted["scores"].items():
        assert found["scores"][name] == pytest.approx(score, abs=1e-4), name
    assert found.get("reason_ids") == wanted.get("reason_ids")
    for name, reasons in wanted.get("reasons", {}).items():
        assert found["reasons"][name] == pytest.approx(reasons, abs=1e-3), name


def test_raw_pixels_for_tests_without_a_png_reader(tmp_path: Path) -> None:
    generate.write_raw(tmp_path)
    raw = tmp_path / "photo.png.upright.rgb"
    assert sha256_path(raw) == GOLDEN["photos"]["photo.png"]["steps"]["upright"]["sha256"]
