"""An .onnx file is run only if it is whole and is what its facts say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from support_scorer import SMALL, brightness_bundle, brightness_onnx

from ralikit.errors import BundleError, UsageError
from ralikit.model.facts import facts_of
from ralikit.photo.views import Preprocess
from ralikit.runtimes import open_runtime
from ralikit.runtimes.onnx import OnnxRuntime, read_facts


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    return facts_of(brightness_bundle(tmp_path / "model"))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_good_file_scores_and_repeats(facts: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "good.onnx", brightness_onnx(facts))
    runtime = open_runtime(path, threads=1)
    views = np.full((3, 16, 16, 3), 255, dtype=np.uint8)
    assert runtime.run(views) == runtime.run(views) == pytest.approx(5.0)
    assert runtime.facts == read_facts(path)
    assert runtime.facts.written == facts
    wrongs: list[Any] = [views[:2], views.astype(np.float32)]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="takes uint8 views"):
            runtime.run(wrong)


def test_nan_is_an_error_not_a_score(facts: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path / "nan.onnx", brightness_onnx(facts, gain=float("nan")))
    with pytest.raises(BundleError, match="nan instead of a score"):
        OnnxRuntime(path).run(np.zeros((3, 16, 16, 3), dtype=np.uint8))


def test_graphs_that_do_not_fit_their_facts_are_refused(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    other = Preprocess(size=16, shortest_edge=24)
    for data in (
        brightness_onnx(facts, dtype=TensorProto.FLOAT),
        brightness_onnx(facts, other),
        brightness_onnx(facts, output="quality"),
    ):
        with pytest.raises(BundleError, match="does not fit its own facts"):
            OnnxRuntime(written(tmp_path / "other.onnx", data))


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = written(tmp_path / "foreign.onnx", brightness_onnx(None, SMALL))
    with pytest.raises(BundleError, match="not made by ralikit export"):
        OnnxRuntime(foreign)
    for data in (b"", b"junk", b"\xff" * 100):
        with pytest.raises(BundleError) as caught:
            OnnxRuntime(written(tmp_path / "junk.onnx", data))
        assert "\n" not in str(caught.value)
    with pytest.raises(BundleError, match="cannot read"):
        OnnxRuntime(tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="threads"):
        OnnxRuntime(foreign, threads=0)


def test_a_cut_or_flipped_file_is_one_sentence_or_still_runs(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    data = brightness_onnx(facts)
    rng = np.random.default_rng(0)
    messages = []
    for index in range(60):
        bad = bytearray(data)
        bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        if index % 2:
            bad = bad[: int(rng.integers(len(bad)))]
        try:
            OnnxRuntime(written(tmp_path / f"{index}.onnx", bytes(bad)))
        except BundleError as error:
            messages.append(str(error))
    assert len(messages) > 25
    assert not any("\n" in message for message in messages)
