"""A file is whole or absent, whatever happens while it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ralikit.errors import RalikitError, UsageError
from ralikit.files import publish, sha256_path, size_bytes, to_json, write_text


def test_success_leaves_the_file_and_no_draft(tmp_path: Path) -> None:
    with publish(tmp_path / "new" / "a.txt") as draft:
        draft.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_failure_keeps_the_old_file_and_removes_the_draft(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with publish(target, overwrite=True) as draft:
            draft.write_text("half")
            raise KeyError("boom")

    with pytest.raises(KeyError):
        fail()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_existing_output_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="--overwrite"), publish(tmp_path / "a"):
        pytest.fail("work was started")


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for text in ("one", "two"):
        with publish(target, overwrite=True) as draft:
            draft.mkdir()
            (draft / "f").write_text(text)
    assert (target / "f").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def test_an_unwritable_place_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RalikitError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")


def test_a_kill_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from ralikit.files import publish
        with publish(Path({str(tmp_path)!r}) / "a.txt") as draft:
            draft.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.txt").exists()


def _killed_while_replacing(target: Path) -> None:
    # A folder's draft is whole, the old one aside, and the plug is pulled.
    code = f"""
        import os, signal
        from pathlib import Path
        from ralikit import drafts, files
        drafts._exchanged = lambda draft, target: False  # as where folders cannot be swapped
        plain = Path.rename
        def rename(self, other):
            plain(self, other)
            os.kill(os.getpid(), signal.SIGKILL)
        Path.rename = rename
        with files.publish(Path({str(target)!r}), overwrite=True) as draft:
            draft.mkdir()
            (draft / "f").write_text("new")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_what_a_kill_left_is_gone_with_the_next_file(tmp_path: Path) -> None:
    test_a_kill_leaves_nothing_under_the_final_name(tmp_path)
    (tmp_path / ".ralikit-draft-of-an-old-version").mkdir()
    assert len(list(tmp_path.iterdir())) == 2
    day = 86_400
    os.utime(tmp_path / ".ralikit-draft-of-an-old-version", (0, time.time() - 2 * day))
    write_text(tmp_path / "b.txt", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_a_living_process_keeps_its_draft(tmp_path: Path) -> None:
    with publish(tmp_path / "a.txt") as draft:
        draft.write_text("half")
        write_text(tmp_path / "b.txt", "x")
        code = "import pathlib, sys; from ralikit import drafts; drafts.sweep(pathlib.Path('.'))"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "a.txt").read_text() == "half"


def test_a_folder_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with publish(target) as draft:
        draft.mkdir()
        (draft / "f").write_text("old")
    _killed_while_replacing(target)
    assert not target.exists()
    write_text(tmp_path / "b.txt", "x")
    assert (target / "f").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.txt", "bundle"]


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:

    def too_late() -> None:
        with publish(tmp_path / "a.txt") as draft:
            draft.write_text("second")
            (tmp_path / "a.txt").write_text("first")

    with pytest.raises(UsageError, match="--overwrite"):
        too_late()
    assert (tmp_path / "a.txt").read_text() == "first"


def test_a_folders_hash_sees_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = sha256_path(folder)
    assert size_bytes(folder) == 1
    (folder / "a").rename(folder / "b")
    renamed = sha256_path(folder)
    (folder / "b").write_text("2")
    assert len({first, renamed, sha256_path(folder)}) == 3


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json({"x": float("nan")})
