"""What holds without Core AI installed: `all` does without it, and Swift asks for its names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from support_docs import ROOT

from ralikit.cli.export import _all_here
from ralikit.export import targets
from ralikit.export.targets.coreai import COREAI
from ralikit.export.targets.target import Target
from ralikit.runtimes.aimodel.read import MAIN
from ralikit.runtimes.coreai import INPUT
from ralikit.runtimes.digest import manifest_path


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


def test_swift_asks_for_the_names_that_are_written() -> None:
    swift = ROOT / "runtimes" / "swift" / "Sources"
    engine = (swift / "RaliKit" / "CoreAIEngine.swift").read_text(encoding="utf-8")
    assert f'static let input = "{INPUT}"' in engine
    assert f'static let function = "{MAIN}"' in engine
    files = (swift / "RaliCore" / "ModelFiles.swift").read_text(encoding="utf-8")
    assert f'case "{COREAI.suffix[1:]}": self = try ManifestedFolder.read(url)' in files
    assert manifest_path(Path("x.aimodel")).name == "x.aimodel.ralikit.json"
    assert '"\\(name).ralikit.json"' in files
    assert 'facts.written["sha256"]' in files
