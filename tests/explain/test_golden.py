"""The cases of the score map that other languages are held to are Python's own."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from ralikit.files import read_json, to_json

GOLDEN = Path(__file__).parents[2] / "runtimes" / "golden"


def test_the_golden_cases_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(GOLDEN), *sys.path])
    made = runpy.run_path(str(GOLDEN / "explain.py"))["golden"]()
    assert to_json(made) == to_json(read_json(GOLDEN / "explain.json"))
