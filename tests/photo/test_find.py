"""Words on a command line become photo files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

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


def deny(monkeypatch: pytest.MonkeyPatch, *denied: Path) -> None:
    """Let some folders refuse to be listed, as for want of permission (which root never lacks)."""
    scandir = os.scandir

    def guarded(path: str) -> Any:
        if Path(path) in denied:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)


def test_a_folder_that_cannot_be_searched_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, folder / "sub")
    problems: list[PhotoError] = []
    found = find_photos([str(folder)], on_error=problems.append)
    assert names(found, folder) == ["[x].png", "a.png", "b.JPG"]
    assert [str(p) for p in problems] == [
        f"{folder / 'sub'}: cannot be searched: Permission denied"
    ]
    with pytest.raises(PhotoError, match="sub: cannot be searched"):
        photos_below(folder)
    deny(monkeypatch, folder)
    with pytest.raises(PhotoError, match="cannot be searched: Permission denied"):
        find_photos([str(folder)])


def test_why_a_word_names_nothing(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="File name too long"):
        find_photos(["x" * 5000])
    assert photos_below(tmp_path / "gone") == []


def test_links_to_folders_are_said(folder: Path) -> None:
    (folder / "album").symlink_to(folder / "sub")
    (folder / "one.png").symlink_to(folder / "a.png")
    said: list[str] = []
    found = find_photos([str(folder)], on_skip=said.append)
    assert names(found, folder) == ["[x].png", "a.png", "b.JPG", "one.png", "sub/c.heic"]
    assert said == [f"{folder / 'album'}: links to folders are not followed; name it to search"]
    assert names(find_photos([str(folder / "album")]), folder) == ["album/c.heic"]


def test_nothing_at_all_is_a_usage_error(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match="no photo found"):
        find_photos([str(empty), "nothing*"], on_error=lambda error: None)
