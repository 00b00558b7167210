"""The rows a teacher trains on: every photo of the folder to degrade, hidden ones left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ralikit.data.metas import MetaSpec
from ralikit.errors import DataError
from ralikit.train.teacher.data import DEGRADED, teacher_rows
from ralikit.train.teacher.recipe import DegradationSpec, GrpoSettings, TeacherRecipe


def rows_of(photos: Path, labelled: Path) -> list[str]:
    recipe = TeacherRecipe(
        method="q-insight",
        model="not read here",
        data=(
            MetaSpec(path=labelled / "labels.csv", root=labelled / "images", mos_range=(1.0, 5.0)),
        ),
        grpo=GrpoSettings(generations=2, images_per_step=2, beta=0.0),
        degradation=DegradationSpec(photos=photos),
    )
    return [row["photo"] for row in teacher_rows(recipe) if row["dataset"] == DEGRADED]


def test_degraded_photos_are_found_as_scoring_finds_them(tmp_path: Path, labelled: Path) -> None:
    for name in ("a.HEIC", "sub/b.gif", "sub/c.jpg", ".hidden/d.png", "._a.HEIC", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert rows_of(tmp_path, labelled) == [
        str(tmp_path / name) for name in ("a.HEIC", "sub/b.gif", "sub/c.jpg")
    ]


def test_a_folder_without_photos_is_one_sentence(tmp_path: Path, labelled: Path) -> None:
    (tmp_path / ".d.png").touch()
    with pytest.raises(DataError, match=r"no photo lies in .*looked for .*\.heic"):
        rows_of(tmp_path, labelled)
    with pytest.raises(DataError, match="there is no folder of photos"):
        rows_of(tmp_path / "nowhere", labelled)


LABELS = [
    {"image": "kadis/a.png", "distortion_class": "noise", "severity": "slight"},
    {"image": "kadis/b.png", "distortion_class": "null", "severity": "null"},
    {"image": "kadis/a.png", "distortion_class": None, "severity": None},
]


def published(labels: Path, photos: Path, labelled: Path) -> list[dict[str, Any]]:
    recipe = TeacherRecipe(
        method="q-insight",
        model="not read here",
        prompt="score-released",
        data=(
            MetaSpec(path=labelled / "labels.csv", root=labelled / "images", mos_range=(1.0, 5.0)),
        ),
        grpo=GrpoSettings(generations=2, images_per_step=2, beta=0.0),
        degradation=DegradationSpec(photos=photos, labels=labels),
    )
    return [row for row in teacher_rows(recipe) if row["dataset"] == DEGRADED]


def test_published_degradation_labels(tmp_path: Path, labelled: Path) -> None:
    (tmp_path / "kadis").mkdir()
    for name in "ab":
        Image.new("RGB", (8, 8), "red").save(tmp_path / "kadis" / f"{name}.png")
    labels = tmp_path / "train_dist.json"
    labels.write_text(json.dumps(LABELS))
    rows = published(labels, tmp_path, labelled)
    assert [(r["kind"], r["severity"], r["draw"]) for r in rows] == [
        ("noise", "slight", -1),
        ("null", "null", -1),
        ("null", "null", -1),
    ]
    assert rows[0]["photo"] == str(tmp_path / "kadis" / "a.png")
    assert "distortion_class" in rows[0]["prompt"][-1]["content"]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"image": "a"}, "is not a JSON list of photos"),
        ([], "is not a JSON list of photos"),
        ([{"distortion_class": "blur"}], "entry 1 names no image"),
        ([{"image": "a.png", "distortion_class": "fog", "severity": "slight"}], "not 'fog'"),
        ([{"image": "a.png", "distortion_class": "blur", "severity": None}], "'blur' and 'null'"),
        (LABELS, "3 of 3 images of .* are missing, the first is .*a.png; degradation.photos"),
    ],
)
def test_wrong_degradation_labels_are_one_sentence(
    entries: Any, words: str, tmp_path: Path, labelled: Path
) -> None:
    labels = tmp_path / "train_dist.json"
    labels.write_text(json.dumps(entries))
    with pytest.raises(DataError, match=words):
        published(labels, tmp_path, labelled)
