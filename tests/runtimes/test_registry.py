"""Adding a runtime is a module and a line; everything that asks reads the registry."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support_scorer import brightness_bundle

import ralikit
from ralikit.bench.subjects import open_subject
from ralikit.errors import MissingExtraError, UsageError
from ralikit.evaluate import open_model
from ralikit.model.facts import Facts, parse_facts
from ralikit.runtimes import (
    BACKENDS,
    Backend,
    Many,
    Observer,
    Outputs,
    Runtime,
    Views,
    open_runtime,
)
from ralikit.runtimes.onnx_file import read_file


class Made:
    """Scores every photo with what the file holds after its facts."""

    observer: Observer | None = None
    many: Many | None = None

    def __init__(self, path: Path) -> None:
        facts, _, score = path.read_text(encoding="utf-8").partition("\n")
        self.facts: Facts = parse_facts(facts, where=str(path))
        self.name, self.note, self.unit = "made 1", "", "cpu"
        self._score = float(score)

    def run(self, views: Views) -> float:
        return float(self.outputs(views)["score"][0])

    def outputs(self, views: Views) -> Outputs:
        return {"score": np.array([self._score], np.float32)}


def open_file(path: Path, *, threads: int | None = None) -> Runtime:
    return Made(path)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a made-up format, whose runtime is one module and one line."""
    module = ModuleType("made_runtime")
    module.__dict__["open_file"] = open_file
    monkeypatch.setitem(sys.modules, "made_runtime", module)
    line = Backend(name="made", format="made", suffix=".made", module="made_runtime")
    monkeypatch.setattr("ralikit.runtimes.BACKENDS", (*BACKENDS, line))
    bundle = brightness_bundle(tmp_path / "model")
    facts = read_file(bundle.root / "scorer.onnx").facts
    path = tmp_path / "x.made"
    path.write_text(f"{facts}\n3.5", encoding="utf-8")
    return path


def test_a_made_up_runtime_is_one_module_and_one_line(made: Path) -> None:
    photo = np.zeros((40, 40, 3), np.uint8)
    assert open_runtime(made).name == "made 1"
    assert ralikit.load(made).score(photo).value == 3.5
    assert open_model(str(made)).model["format"] == "made"
    subject = open_subject(made, backend="auto", threads=1)
    assert (subject.model["format"], subject.model["name"]) == ("made", "brightness")
    other = made.with_suffix(".other")
    other.write_text("x")
    with pytest.raises(UsageError, match=r"expected a \.onnx or \.tflite or \.made file"):
        open_runtime(other)


def test_a_suffix_without_a_runtime_names_those_that_have_one(tmp_path: Path) -> None:
    sentence = r"x\.bin has no runtime: expected a \.onnx or \.tflite file, a \.mlpackage, a \.aim"
    with pytest.raises(UsageError, match=sentence):
        open_runtime(tmp_path / "x.bin")


def test_a_second_backend_is_asked_for_by_name(tmp_path: Path) -> None:
    openvino = next(b for b in BACKENDS if b.name == "openvino")
    with pytest.raises(UsageError, match=r"openvino runs \.onnx files, not x\.tflite"):
        openvino.open(tmp_path / "x.tflite")


def test_a_missing_library_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingExtraError, match=r"Running a \.tflite file needs ai_edge_litert"):
        open_runtime(tmp_path / "x.tflite")


def test_every_runtime_gives_its_outputs_by_name(tmp_path: Path) -> None:
    runtime = open_runtime(brightness_bundle(tmp_path / "model").root / "scorer.onnx")
    views = np.full(runtime.facts.shape, 255, np.uint8)
    assert runtime.outputs(views)["score"].reshape(-1)[0] == runtime.run(views)
    assert runtime.observer is None
    assert runtime.many is None
    with pytest.raises(UsageError, match="takes uint8 views"):
        runtime.outputs(views[:, :1])
