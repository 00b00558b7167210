"""`ralikit doctor` and `ralikit --version`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ralikit import __version__, doctor
from ralikit.cli import app
from ralikit.typed import typed


def test_the_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"ralikit {__version__}\n")


def test_every_extra_is_explained_and_has_its_command() -> None:
    core, extras = doctor.requirements()
    assert "onnxruntime" in core
    assert "torch" not in core
    by_name = {extra.name: extra for extra in extras}
    assert {"heic", "train", "teacher", "export", "coreml", "tflite", "bench", "test"} <= set(
        by_name
    )
    for extra in extras:
        assert extra.adds, f"{extra.name} is not explained"
        assert extra.command == f"{typed('pip')} install 'ralikit[{extra.name}]'"
    # An extra that includes another lists its libraries too.
    assert "torch" in by_name["coreml"].installed


def test_a_missing_library_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    known = doctor._version

    monkeypatch.setattr(
        doctor, "_version", lambda name: None if name == "coremltools" else known(name)
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip().startswith("coreml "))
    assert "not here" in lines[at]
    assert "coremltools" in lines[at + 1]
    assert "pip install 'ralikit[coreml]'" in lines[at + 2]


def test_json_holds_the_same_facts() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    facts = json.loads(result.stdout)
    assert facts["ralikit"] == __version__
    assert facts["platform"]["cores"] >= 1
    assert isinstance(facts["platform"]["mac"], bool)
    model = facts["model"]
    assert "error" in model or {"hash", "scale", "licence", "notice"} <= set(model)


def test_the_bundled_models_terms_are_shown() -> None:
    model = doctor.bundled_model()
    if "error" in model:
        pytest.skip("no bundled model yet")
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    assert model["hash"][:16] in shown
    assert model["notice"] in shown
    assert model["licence"] in shown
