"""Photos a bench works on: found as scoring finds them, or rendered on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ralikit.bench.photos import bench_photos, rendered_jpeg
from ralikit.errors import UsageError


def test_the_rendered_photo_is_detailed() -> None:
    with rendered_jpeg(320, 240) as path:
        with Image.open(path) as picture:
            assert picture.size == (320, 240)
            assert np.asarray(picture).std() > 20
        assert path.stat().st_size > 10_000
    assert not path.exists()


def test_a_folder_is_searched_as_scoring_does(tmp_path: Path) -> None:
    for name in ("a.HEIC", "sub/b.gif", "sub/c.jpg", ".hidden/d.png", "._a.HEIC", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found, mos = bench_photos(tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in found] == [
        "a.HEIC",
        "sub/b.gif",
        "sub/c.jpg",
    ]
    assert mos is None


def test_no_photos_and_half_a_question_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photos below"):
        bench_photos(tmp_path)
    with pytest.raises(UsageError, match="--split needs --meta"):
        bench_photos(tmp_path, split="test")
