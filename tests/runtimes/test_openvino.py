"""OpenVINO runs the same file to the same score, and is guarded as the others are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_scorer import brightness_bundle, brightness_onnx

from ralikit.errors import BundleError, UsageError
from ralikit.model.facts import facts_of
from ralikit.runtimes.onnx import OnnxRuntime
from ralikit.runtimes.openvino import OpenVinoRuntime

if find_spec("openvino") is None:  # not importorskip: an import by itself would report it
    pytest.skip("the extra openvino is not installed", allow_module_level=True)


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    return facts_of(brightness_bundle(tmp_path / "model"))


def test_the_score_is_onnx_runtimes(facts: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "good.onnx"
    path.write_bytes(brightness_onnx(facts))
    views = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    runtime = OpenVinoRuntime(path, threads=1)
    assert runtime.run(views) == pytest.approx(OnnxRuntime(path).run(views), abs=1e-5)
    assert {k: v.item() for k, v in runtime.outputs(views).items()} == {"score": runtime.run(views)}
    assert runtime.facts.written == facts
    wrongs: list[Any] = [views[:2], views.astype(np.float32)]
    for wrong in wrongs:
        with pytest.raises(UsageError, match="takes uint8 views of shape"):
            runtime.run(wrong)


def test_a_score_that_is_none_is_refused(facts: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "infinite.onnx"
    path.write_bytes(brightness_onnx(facts, gain=float("inf")))
    with pytest.raises(BundleError, match="instead of a score"):
        OpenVinoRuntime(path).run(np.full((3, 16, 16, 3), 255, dtype=np.uint8))


def test_a_damaged_file_is_refused(facts: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(brightness_onnx(facts)[:-40])
    with pytest.raises(BundleError):
        OpenVinoRuntime(path)
