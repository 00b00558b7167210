"""Words on a command line become photo files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ralikit.errors import PhotoError, UsageError
from ralikit.photo.find import find_photos, photos_below


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in [
        "b.JPG",
        "a.png",
        "sub/c.heic",
        "notes.txt",
        "._a.png",
        ".hidden/d.png",
        "[x].png",
    ]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(found: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_a_folder_alone_is_searched_alike(folder: Path) -> None:
    (folder / "d.HEIC").touch()
    (folder / "e.gif").touch()
    (folder / "f.jpg").mkdir()  # a folder is no photo, whatever it is called
    found = names(photos_below(folder), folder)
    assert found == ["[x].png", "a.png", "b.JPG", "d.HEIC", "e.gif", "sub/c.heic"]
    assert photos_below(folder / "f.jpg") == []


def test_folders_are_searched_to_the_bottom_and_sorted(folder: Path) -> None:
    assert names(find_photos([str(folder)]), folder) == ["[x].png", "a.png", "b.JPG", "sub/c.heic"]


def test_patterns_are_expanded_and_duplicates_dropped(folder: Path) -> None:
    words = [str(folder / "*.png"), str(folder / "a.png"), str(folder / "**/*.heic")]
    assert names(find_photos(words), folder) == ["[x].png", "a.png", "sub/c.heic"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    assert names(find_photos([str(folder / "[x].png")]), folder) == ["[x].png"]


def test_any_file_that_is_named_is_tried(folder: Path) -> None:
    assert names(find_photos([str(folder / "notes.txt")]), folder) == ["notes.txt"]


def test_what_names_nothing_is_told_and_the_rest_found(folder: Path) -> None:
    problems: list[PhotoError] = []
    words = [str(folder / "a.png"), str(folder / "z*.png"), str(folder / "gone.png"), "a\0b"]
    assert len(find_photos(words, on_error=problems.append)) == 1
    assert [str(p).split(": ")[1] for p in problems] == [
        "matches no file",
        "there is no such file",
        "there is no such file",
    ]


def test_nothing_at_all_is_a_usage_error(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="no photo found"):
        find_photos([str(empty), "nothing*"], on_error=lambda error: None)
