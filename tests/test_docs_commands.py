"""Every command that README and docs show is run as it stands there, or carries its reason why not.

That a line parses is held by tests/test_docs.py; blocks marked "not run" give their reason on the
page, and the tutorials' blocks are run in a row by tests/test_tutorials.py.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_docs import PAGES, blocks
from test_docs import IN_ORDER, SHELL, checked, command_lines
from typer.testing import CliRunner

from ralikit.cli import app

NOT_HERE = {
    "ralikit export --target all": "minutes; the quickstart does it, and tests/export each target",
    "ralikit verify exports/": "needs the line before; tests/export verifies files of each target",
    "ralikit score photo.jpg --model exports/": "needs the same files; tests/runtimes runs them",
    "ralikit export BUNDLE --target onnx --precision auto": "minutes; tests/export/search does it",
    "ralikit best holiday/ --move-rest": "moves files; tests/cli/test_best.py does it",
    "ralikit data prepare": "needs a published set; tests/data lays out made-up ones",
    "ralikit score photo.jpg --model rali-bundle/": "needs the bundle that the line before makes",
    "ralikit eval runs/": "needs a trained bundle; tests/test_evaluate.py does it with a small one",
    "ralikit eval mini model.onnx": "needs the development photos; tests/test_evaluate.py does it",
    "ralikit train distil": "trains; tests/train/distil does it with a small tower",
    "ralikit import": "needs the authors' release; tests/importers writes one in its layout",
    "ralikit export-rali": "needs a CLIP tower; tests/importers does it with a small one",
    "ralikit train": "trains; tests/train does it with small towers",
    "ralikit describe": "needs a teacher, or photos of a set; tests/train/describe does both",
    "ralikit demo web": "serves until it is stopped; tests/test_demo.py and tests/native/web do it",
    "python benchmarks/": "needs the development photos, and minutes",
    "python tests/fuzz/run.py": "minutes; tests/fuzz runs each of them for a moment",
    "python docs/tools/architecture.py": "tests/test_layers.py runs it and holds its picture",
    "bash tests/native/": "needs tools outside Python; a tier of its own runs it",
    "pip install": "installs; .ci/wheel does it in an empty environment",
    "torchrun": "needs several processes; tests/train starts two",
    "accelerate": "needs several processes; tests/train starts two",
}
"""Beginnings of lines that are not run here, and who runs what they do."""

SLOW = ("ralikit explain", "ralikit score --from")


def _lines() -> dict[str, str]:
    """Every line of the pages' shell blocks that this file answers for, and where it stands."""
    found = {}
    for page in PAGES:
        for block in blocks(page):
            if block.language in SHELL and checked(block) and not block.page.startswith(IN_ORDER):
                for words in command_lines(block.text):
                    found[" ".join(words)] = str(block)
    return found


def _reason(line: str) -> str | None:
    return next((why for begins, why in NOT_HERE.items() if line.startswith(begins)), None)


RUN = [
    pytest.param(line, id=line, marks=[pytest.mark.slow] if line.startswith(SLOW) else [])
    for line in _lines()
    if _reason(line) is None
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, a folder and a shard of the names that README uses."""
    y, x = np.mgrid[0:90, 0:120]
    picture = Image.fromarray(np.stack([2 * x, 2 * y, x + y], -1).astype(np.uint8))
    for name in ("photo.jpg", "a.webp", "folder/b.png", "folder/c.jpg", "holiday/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name)
    held = io.BytesIO()
    picture.save(held, "PNG")
    (tmp_path / "shards").mkdir()
    with tarfile.open(tmp_path / "shards" / "0.tar", "w") as tar:
        entry = tarfile.TarInfo("one.png")
        entry.size = held.tell()
        held.seek(0)
        tar.addfile(entry, held)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", RUN)
def test_a_shown_command_runs(line: str, folder: Path) -> None:
    if "--from" in line:
        pytest.importorskip("pyarrow")
    program, *words = line.split()
    assert program == "ralikit", f"{line} is not run: say why in NOT_HERE"
    done = CliRunner().invoke(app, [word.strip("'") for word in words])
    assert done.exit_code == 0, f"{line}: {done.output} {done.exception}"


def test_commands_are_run_and_no_reason_is_for_nothing() -> None:
    assert len(RUN) >= 6
    lines = list(_lines())
    gone = [begins for begins in NOT_HERE if not any(line.startswith(begins) for line in lines)]
    assert not gone, f"no page shows {gone}"
    assert all(len(why.split()) > 2 for why in NOT_HERE.values())
