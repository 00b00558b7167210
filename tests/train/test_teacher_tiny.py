"""GRPO raises the share of well-formed answers: the demonstration in docs/, one seed, shortened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "train" / "teacher_tiny.py"


@pytest.mark.slow
def test_format_reward_rises(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the extra 'teacher' is not installed")
    subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(tmp_path), "--seeds", "0", "--steps", "40"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        timeout=1800,
    )
    (run,) = json.loads((tmp_path / "teacher_format.json").read_text())["runs"]
    assert 0.10 <= run["before"] <= 0.50
    curve = run["format_reward"]
    assert sum(curve[-10:]) > 1.5 * sum(curve[:10])
    assert run["after"] > run["before"]
    assert (tmp_path / "teacher_format.png").read_bytes().startswith(b"\x89PNG")


def test_the_published_figures_are_the_scripts() -> None:
    docs = SCRIPT.parents[1] / "docs"
    runs = json.loads((docs / "teacher_format.json").read_text())["runs"]
    page = (docs / "teachers.md").read_text()
    assert [run["seed"] for run in runs] == [0, 1, 2]
    for run in runs:
        assert 0.10 <= run["before"] <= 0.50 < run["after"]
        assert f"| {100 * run['before']:.1f} % | {100 * run['after']:.1f} % |" in page
