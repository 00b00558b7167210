"""What computes is what was asked for, or it is refused; seen without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_corpus import settings
from support_export import tiny_bundle
from support_scorer import brightness_bundle

from ralikit.corpus import CorpusScorer
from ralikit.corpus.worker import serve
from ralikit.errors import UsageError
from ralikit.runtimes import open_runtime
from ralikit.runtimes.onnxruntime_import import ort
from ralikit.scorer import load

GPU = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brightness_bundle(tmp_path_factory.mktemp("model") / "model").root


def pretend(monkeypatch: pytest.MonkeyPatch, *, starts: bool) -> list[list[str]]:
    """An ONNX Runtime that has a GPU's providers, and what sessions were offered."""
    offered: list[list[str]] = []
    real = ort.InferenceSession

    class Session:
        def __init__(self, path: str, options: Any, *, providers: list[str], **more: Any) -> None:
            offered.append(providers)
            self._real = real(path, options, providers=["CPUExecutionProvider"], **more)
            self._took = providers if starts else ["CPUExecutionProvider"]

        def get_providers(self) -> list[str]:
            return self._took

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    monkeypatch.setattr(ort, "get_available_providers", lambda: GPU)
    monkeypatch.setattr(ort, "InferenceSession", Session)
    return offered


@pytest.mark.parametrize(("processor", "skipped"), [("tensorrt", 0), ("cuda", 1), ("cpu", 2)])
def test_a_session_is_offered_what_was_asked_for_first(
    model: Path, monkeypatch: pytest.MonkeyPatch, processor: Any, skipped: int
) -> None:
    offered = pretend(monkeypatch, starts=True)
    for open_it in (load, CorpusScorer):
        open_it(str(model), processor=processor)
    assert offered == [GPU[skipped:]] * 2
    unit = load(model, processor=processor).runtime.unit
    assert unit == ", then ".join(["tensorrt", "cuda", "cpu"][skipped:])


@pytest.mark.parametrize("processor", ["cuda", "tensorrt"])
def test_a_provider_that_is_absent_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, processor: Any
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match=rf"{processor} is \w+, which onnxruntime .* lacks .it has "
                       r"CPUExecutionProvider.; run: .* pip install onnxruntime-gpu"):  # fmt: skip
        load(model, processor=processor)


def test_a_provider_that_cannot_start_is_no_cpu_in_disguise(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, starts=False)
    with pytest.raises(UsageError, match=r"cuda is installed and cannot start .*driver"):
        load(model, processor="cuda")
    assert load(model).runtime.unit == "cpu"


def test_other_files_run_on_what_they_run_on(tmp_path: Path) -> None:
    package = tmp_path / "a.mlpackage"
    package.mkdir()
    with pytest.raises(UsageError, match=r"coreml runs a.mlpackage on cpu alone, not on cuda"):
        open_runtime(package, processor="cuda")
    bare = tiny_bundle(tmp_path / "bare").root
    with pytest.raises(UsageError, match=r"bare carries no scorer.onnx for cuda"):
        load(bare, processor="cuda")


def test_a_corpus_hands_it_on_and_its_folder_says_it(tmp_path: Path, model: Path) -> None:
    asked = settings("folder", tmp_path, "x", processor="cuda")
    assert asked.rows_depend_on()["processor"] == "cuda"
    assert "processor" not in settings("folder", tmp_path, "x").rows_depend_on()
    with pytest.raises(UsageError, match="scored on cpu, cuda, tensorrt, not 'tpu'"):
        settings("folder", tmp_path, "x", processor="tpu")
    with pytest.raises(UsageError, match=r"--ray scores on CPUs; .* with num_gpus"):
        settings("folder", tmp_path, "x", processor="cuda", ray="auto")
    said: list[Any] = []
    pipe: Any = type("Pipe", (), {"send": said.append})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ralikit.corpus.worker._say_nothing", lambda: None)
        patch.setattr("signal.signal", lambda *_: None)
        serve(pipe, str(model), "cuda")  # a worker opens the model there, or says why not
    assert said[0][0] == "failed"
    assert "pip install onnxruntime-gpu" in said[0][1]
