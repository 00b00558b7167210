"""Ctrl-C, kill and a closed terminal: one line, the signal's exit code, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

SAID = {
    signal.SIGINT: "ralikit: interrupted\n",
    signal.SIGTERM: "ralikit: stopped by SIGTERM\n",
    signal.SIGHUP: "ralikit: stopped, as its terminal was closed\n",
}
# A test run started in the background has some signals ignored, and its children inherit that.
HEED = """
import os, signal, sys, tempfile
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
# The signal comes in the middle of an import of MODULE, as a person's would.
IN_AN_IMPORT = """
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Hook())
from ralikit.cli import main
sys.argv[0] = "ralikit"
main()
"""
# It comes while a file is being published and a temporary folder is in use.
IN_A_DRAFT = """
import ralikit.scorer
from ralikit.files import publish
def load(*_, **__):
    with publish(Path("out.bin")) as draft, tempfile.TemporaryDirectory(dir="."):
        draft.write_bytes(b"half")
        os.kill(os.getpid(), {number})
        draft.write_bytes(b"whole")
ralikit.scorer.load = load
from ralikit.cli import main
sys.argv[0] = "ralikit"
main()
"""


def run(program: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEED + program, *words], capture_output=True, text=True, cwd=folder
    )


@pytest.mark.parametrize("number", SAID)
@pytest.mark.parametrize("module", ["typer", "numpy"])
def test_during_imports(number: signal.Signals, module: str, tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    program = IN_AN_IMPORT.format(module=module, number=int(number))
    done = run(program, "score", "x.png", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", SAID[number])


@pytest.mark.parametrize("number", SAID)
def test_drafts_are_removed(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    done = run(IN_A_DRAFT.format(number=int(number)), "score", "x.png", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", SAID[number])
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    program = IN_AN_IMPORT.format(module="typer", number=int(signal.SIGHUP))
    program = "signal.signal(signal.SIGHUP, signal.SIG_IGN)" + program
    assert run(program, "--version", folder=tmp_path).returncode == 0
