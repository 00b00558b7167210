"""`ralikit explain`: words, JSON, the picture, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_scorer import brightness_bundle, reasoned_file
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.drafts import DRAFT
from ralikit.errors import BundleError, PhotoError, RalikitError, UsageError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo of grey stripes with a dark corner."""
    pixels = np.full((300, 400, 3), 120, dtype=np.uint8)
    pixels[150:, 200:] = 5
    pixels[:, np.arange(400) % 50 < 25] += 20
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return reasoned_file(tmp_path / "tiny.onnx")


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["explain", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: object) -> RalikitError:
    result = CliRunner().invoke(app, ["explain", *map(str, words)])
    assert isinstance(result.exception, RalikitError), result.output
    return result.exception


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".onnx"))


def test_words_and_picture(photo: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    said = run(photo, "--out", out, "--model", model)
    assert "worst region:" in said
    assert "of 400 x 300  too dark" in said
    assert f"map: {out}" in said
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "RGB"
    assert left(tmp_path) == ["map.png", "photo.png"]


def test_numbers(photo: Path, model: Path) -> None:
    document = json.loads(run(photo, "--json", "--model", model))
    box = document["worst"]["box"]
    assert box[0] >= 190
    assert box[1] >= 140
    assert document["worst"]["plain"] is False
    assert document["worst"]["reasons"][0]["id"] == "too-dark"
    assert document["worst"] in document["windows"]
    assert document["worst"]["score"] == min(w["score"] for w in document["windows"])
    assert document["stands_out"] is True
    assert document["map"] is None
    assert len({len(row) for row in document["cells"]}) == 1
    assert (document["width"], document["height"]) == (400, 300)
    assert document["scale"] == {"minimum": 1.0, "maximum": 5.0}


def test_an_even_photo_and_a_model_without_reasons(tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), (90, 90, 90)).save(tmp_path / "even.png")
    bundle = brightness_bundle(tmp_path / "bundle")
    said = run(tmp_path / "even.png", "--model", bundle.root)
    assert "no region stands out" in said
    assert "brightness gives no reasons; the bundled models do" in said


def test_a_map_is_replaced_only_when_told(photo: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    out.write_text("mine")
    error = refused(photo, "--out", out, "--model", model)
    assert isinstance(error, UsageError)
    assert str(error) == f"{out} exists already; pass --overwrite to replace it"
    assert out.read_text() == "mine"
    run(photo, "--out", out, "--model", model, "--overwrite")
    with Image.open(out) as picture:
        assert picture.format == "PNG"


def test_the_photo_itself_is_never_replaced(photo: Path, model: Path, tmp_path: Path) -> None:
    before = photo.read_bytes()
    link = tmp_path / "link.png"
    link.symlink_to(photo)
    for out in (photo, link):
        error = refused(photo, "--out", out, "--model", model, "--overwrite")
        assert isinstance(error, UsageError)
        assert "is the photo itself" in str(error)
    assert photo.read_bytes() == before


@pytest.mark.parametrize("name", ["map.jpg", "map", "folder.png"])
def test_names_that_no_map_can_have(name: str, photo: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    error = refused(photo, "--out", tmp_path / name, "--model", model, "--overwrite")
    assert error.exit_code == 2
    assert "--out" in str(error)


def test_a_photo_that_cannot_be_read_leaves_nothing(model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no photo")
    for photo in (bad, tmp_path / "none.jpg"):
        error = refused(photo, "--out", tmp_path / "map.png", "--model", model)
        assert isinstance(error, PhotoError)
        assert error.exit_code == 1
        assert photo.name in str(error)
    assert left(tmp_path) == ["bad.jpg"]


def test_a_model_that_fails_leaves_nothing(
    photo: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ralikit.scorer import Scorer

    def fail(self: Scorer, view: object) -> None:
        raise BundleError("it failed")

    monkeypatch.setattr(Scorer, "score_view", fail)
    assert refused(photo, "--out", tmp_path / "map.png", "--model", model).exit_code == 1
    assert left(tmp_path) == ["photo.png"]


def test_a_picture_that_cannot_be_drawn_leaves_nothing(
    photo: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: Image.Image, path: Path, *_: object, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    out = tmp_path / "map.png"
    error = refused(photo, "--out", out, "--model", model)
    assert str(error) == f"cannot write {out}: No space left on device"
    assert left(tmp_path) == ["photo.png"]
    assert not list(tmp_path.glob(f"{DRAFT}*"))
