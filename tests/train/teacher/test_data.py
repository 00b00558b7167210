"""The rows a teacher trains on: every photo of the folder to degrade, hidden ones left out."""

from __future__ import annotations

from pathlib import Path

import pytest

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
