"""Presets: defaults with a reason, which explicit options overrule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import RalikitError, UsageError
from ralikit.export import pipeline, presets
from ralikit.export.options import parse_outputs
from ralikit.export.presets import names, read_preset
from ralikit.export.targets import named

NAMES = ["android-cpu", "android-gpu", "iphone", "server", "web"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks the exporter for."""
    calls: list[dict[str, Any]] = []

    def export_all(_bundle: object, **words: Any) -> list[object]:
        calls.append(words)
        return []

    monkeypatch.setattr(pipeline, "export_all", export_all)
    return calls


def _run(*words: str) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    if isinstance(done.exception, RalikitError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def _words(call: dict[str, Any]) -> tuple[Sequence[str], str]:
    return tuple(call["targets"]), call["precision"]


def test_these_presets_exist_and_the_help_names_them() -> None:
    assert names() == NAMES
    listed = " ".join(_run("--help").replace("│", " ").split())
    for name in NAMES:
        assert name in listed


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_something_its_target_can_do_and_says_why(name: str) -> None:
    preset = read_preset(name)
    assert named(preset.target).precision(preset.precision)
    assert preset.outputs is None or parse_outputs(preset.outputs)
    assert len(preset.why) > 80


def test_a_preset_sets_what_the_user_left_open(asked: list[dict[str, Any]]) -> None:
    _run("--preset", "android-gpu")
    _run("--precision", "fp32", "--preset", "android-gpu")
    # Even where the option repeats the command's own default.
    _run("--preset", "android-gpu", "--target", "onnx", "--precision", "int8")
    _run()
    assert [_words(call) for call in asked] == [
        (("tflite",), "fp16"),
        (("tflite",), "fp32"),
        (("onnx",), "int8"),
        (("onnx",), "int8"),
    ]


def test_an_unknown_preset_is_refused_with_those_there_are(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match=r"no preset 'watch'; there are android-cpu, .*, web"):
        _run("--preset", "watch")
    with pytest.raises(UsageError, match="no preset"):
        _run("--preset", "../train/ract")
    assert asked == []


def test_the_list_gives_each_with_its_reason(asked: list[dict[str, Any]]) -> None:
    listed = _run("--preset", "list")
    for name in NAMES:
        preset = read_preset(name)
        assert f"{name}: --target {preset.target} --precision {preset.precision}" in listed
        assert " ".join(preset.why.split()) in " ".join(listed.split())
    assert asked == []


def test_a_preset_with_a_typo_or_without_a_reason_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "_INSTALLED", tmp_path)
    (tmp_path / "mine.toml").write_text('target = "onnx"\nprecison = "int8"\nwhy = "so"\n')
    assert names() == ["mine"]  # the package's own go before a checkout's
    with pytest.raises(UsageError, match=r"mine\.toml: unknown setting 'precison'.*'precision'"):
        read_preset("mine")
    (tmp_path / "mine.toml").write_text('target = "onnx"\nprecision = "int8"\nwhy = " "\n')
    with pytest.raises(UsageError, match="says why"):
        read_preset("mine")


def test_an_installation_without_presets_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "_INSTALLED", tmp_path)
    monkeypatch.setattr(presets, "_CHECKOUT", tmp_path)
    with pytest.raises(RalikitError, match="carries no export presets"):
        _run("--preset", "web")
