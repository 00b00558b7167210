"""`all` takes Core AI along where it is installed, and says so where not."""

from __future__ import annotations

import importlib.util

import pytest

from ralikit.cli.export import _all_here
from ralikit.export import targets
from ralikit.export.targets.coreai import COREAI
from ralikit.export.targets.target import Target


@pytest.mark.parametrize("installed", [True, False])
def test_all_is_what_is_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installed: bool
) -> None:
    monkeypatch.setattr(Target, "installed", property(lambda self: installed))
    assert (COREAI in targets.everyday()) is installed
    assert ("coreai" in _all_here()) is installed
    said = capsys.readouterr().err
    assert ("all without coreai: Export to Core AI needs coreai" in said) is not installed
    assert {"onnx", "tflite", "coreml"} <= set(_all_here())


def test_a_target_knows_whether_it_is_installed() -> None:
    there = all(importlib.util.find_spec(module) for module in COREAI.modules)
    assert COREAI.installed == there
