"""Commands are shown as they can be typed: also where nobody activated the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ralikit.errors import MissingExtraError
from ralikit.typed import typed


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's folder of programs; nothing of it is on the search path."""
    programs = tmp_path / ".venv of mine" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "ralikit"):
        (programs / name).write_text("#!/bin/sh\necho here\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.chdir(tmp_path)
    return programs


def test_an_activated_environment_needs_no_path(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{environment}{os.pathsep}{os.environ['PATH']}")
    assert typed("ralikit") == "ralikit"


@pytest.mark.skipif(os.name == "nt", reason="a shell as POSIX has it")
def test_a_command_off_the_search_path_runs_as_it_is_shown(environment: Path) -> None:
    shown = typed("ralikit")
    assert shown == "'.venv of mine/bin/ralikit'"
    assert subprocess.check_output(["sh", "-c", shown], text=True) == "here\n"


def test_another_environments_program_is_not_meant(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "ralikit").write_text("#!/bin/sh\n")
    (other / "ralikit").chmod(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert typed("ralikit") == "'.venv of mine/bin/ralikit'"


def test_without_a_program_the_module_is_run(environment: Path) -> None:
    assert typed("no-such") == "'.venv of mine/bin/python' -m no-such"
    message = str(MissingExtraError("torch", "export", "Export"))
    assert message.endswith("-m pip install 'ralikit[export]'")
