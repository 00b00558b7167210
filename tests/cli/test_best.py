"""`ralikit best`: scenes in words and JSON, and moving what is surely not the best."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import RalikitError


def scene(seed: int) -> Image.Image:
    """A picture with large shapes and fine texture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 215, (5, 6, 3)).astype(np.uint8))
    large = np.asarray(coarse.resize((300, 260), Image.Resampling.BICUBIC), dtype=np.int16)
    fine = rng.integers(-25, 26, (260, 300, 1))
    return Image.fromarray(np.clip(large + fine, 0, 255).astype(np.uint8))


def save(image: Image.Image, path: Path, taken: str | None = None) -> Path:
    exif = Image.Exif()
    exif[0x0131] = "made up"  # Pillow writes no PNG EXIF without a tag of its own
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    path.parent.mkdir(exist_ok=True)
    image.save(path, exif=exif)
    return path


@pytest.fixture
def holiday(tmp_path: Path) -> Path:
    """A burst of two with one spoilt, a copy of nothing, and a photo of another day."""
    folder = tmp_path / "holiday"
    save(scene(1), folder / "a.png", "2024:07:03 12:00:00")
    blurred = scene(1).filter(ImageFilter.GaussianBlur(9))
    save(blurred, folder / "b.png", "2024:07:03 12:00:10")
    save(scene(2), folder / "c.png", "2024:07:03 12:00:20")
    save(scene(1), folder / "d.png", "2024:07:04 12:00:00")
    return folder


def run(*words: object) -> str:
    result = CliRunner().invoke(app, ["best", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_scenes_in_json(holiday: Path) -> None:
    document = json.loads(run(holiday, "--json"))
    names = [
        [Path(photo["photo"]).name for photo in scene["photos"]] for scene in document["scenes"]
    ]
    assert names == [["a.png", "b.png"], ["c.png"], ["d.png"]]
    burst = document["scenes"][0]
    scores = {Path(p["photo"]).name: p["score"] for p in burst["photos"]}
    assert Path(burst["best"]).name == max(scores, key=lambda name: scores[name])
    apart = abs(scores["a.png"] - scores["b.png"]) >= document["tie_width"]
    assert burst["sure"] is apart
    assert len(burst["rivals"]) == (0 if apart else 1)
    assert burst["photos"][1]["taken"] - burst["photos"][0]["taken"] == 10.0
    assert document["moved"] == document["errors"] == []


def test_scenes_in_words(holiday: Path) -> None:
    text = run(holiday, "--seconds", "5")
    assert text == "0 scenes of several photos, 4 photos alone\n"
    text = run(holiday)
    assert text.startswith("2 photos of one scene")
    assert "1 scene of several photos, 2 photos alone" in text
    marked = [line[2] for line in text.splitlines() if line.startswith("  ")]
    assert marked in (["*", " "], ["=", "="])


def test_a_photo_that_cannot_be_read_shifts_no_name(holiday: Path) -> None:
    (holiday / "aa.png").write_bytes(b"no photo")
    result = CliRunner().invoke(app, ["best", str(holiday), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [Path(e["photo"]).name for e in document["errors"]] == ["aa.png"]
    assert Path(document["scenes"][1]["best"]).name == "c.png"


def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the model scores: it can tell every two photos apart."""
    from ralikit import best

    real = best.find_scenes
    monkeypatch.setattr(
        best, "find_scenes", lambda shots, *, tie_width, rule: real(shots, tie_width=0.0, rule=rule)
    )


def test_the_rest_is_moved_and_listed(
    holiday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure(monkeypatch)
    rest = tmp_path / "rest"
    rest.mkdir()
    (rest / "a.png").write_text("was here")
    (rest / "b.png").write_text("was here")
    before = {path.name: path.read_bytes() for path in holiday.iterdir()}
    document = json.loads(run(holiday, "--json", "--move-rest", rest))
    (moved,) = document["moved"]
    name = Path(moved["from"]).name
    assert name in {"a.png", "b.png"}
    assert Path(moved["to"]) == rest / f"{name[0]}-1.png"
    assert Path(moved["to"]).read_bytes() == before[name]
    assert {p.name for p in holiday.iterdir()} == set(before) - {name}
    assert (rest / "a.png").read_text() == (rest / "b.png").read_text() == "was here"
    with (rest / "moved.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["from", "to"],
            [str(holiday / name), str(rest / f"{name[0]}-1.png")],
        ]
    again = json.loads(run(holiday, "--json", "--move-rest", rest))
    assert again["moved"] == []


def test_rivals_stay(holiday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ralikit import best

    real = best.find_scenes
    monkeypatch.setattr(
        best, "find_scenes", lambda shots, *, tie_width, rule: real(shots, tie_width=9.0, rule=rule)
    )
    text = run(holiday, "--move-rest", tmp_path / "rest")
    assert "cannot tell which is the best" in text
    assert "0 photos moved" in text
    assert len(list(holiday.iterdir())) == 4


def test_moving_across_disks_copies_first(
    holiday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure(monkeypatch)

    def no_link(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    document = json.loads(run(holiday, "--json", "--move-rest", tmp_path / "rest"))
    (moved,) = document["moved"]
    assert Path(moved["to"]).is_file()
    assert not Path(moved["from"]).exists()
    assert not list((tmp_path / "rest").glob(".*"))


def test_a_full_disk_loses_nothing(
    holiday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    sure(monkeypatch)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(shutil, "copy2", fail)
    result = CliRunner().invoke(app, ["best", str(holiday), "--move-rest", str(tmp_path / "rest")])
    assert isinstance(result.exception, RalikitError)
    assert "No space left on device; what was moved stands in" in str(result.exception)
    assert len(list(holiday.iterdir())) == 4
