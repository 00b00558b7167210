"""Presets: defaults with a reason, which explicit options overrule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_vit import vit_bundle
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import RalikitError, UsageError
from ralikit.export import pipeline, presets
from ralikit.export.options import parse_outputs
from ralikit.export.presets import names, read_preset
from ralikit.export.targets import named

NAMES = ["android-cpu", "android-gpu", "android-npu", "iphone", "qnn", "server", "web"]


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
    assert named(preset.target).precision(preset.transformers or preset.precision)
    assert named(preset.target).npu_rules or not preset.npu
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


@pytest.mark.parametrize("name", ["android-npu", "qnn"])
def test_an_npu_gets_what_its_tower_can_have_and_the_rules_with_it(
    name: str, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _run("--preset", name)
    any_bundle = vit_bundle("clip")
    tower = replace(any_bundle.info.tower, kind="clip")
    transformer = replace(any_bundle, info=replace(any_bundle.info, tower=tower))
    monkeypatch.setattr("ralikit.cli.export._opened", lambda _: transformer)
    _run("--preset", name)
    _run("--preset", name, "--precision", "int8-static")
    assert [call["precision"] for call in asked] == ["int8", "fp16", "int8-static"]
    assert all(call["options"].npu for call in asked)


def test_an_npus_rules_are_asked_of_a_target_that_has_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--npu is for onnx, tflite: coreml has no rules"):
        _run("--target", "coreml", "--npu", "--out", str(tmp_path))


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
