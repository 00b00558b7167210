"""An ONNX file is looked at for what its scores alone would not show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper

from ralikit.export.gate.checks import float16_check
from ralikit.export.gate.gate import Gate
from ralikit.export.pipeline import export
from ralikit.export.targets.onnx import target
from ralikit.export.targets.onnx.checks import checks
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.model.facts import Facts, ModelFacts, Reach
from ralikit.photo.views import Preprocess
from ralikit.runtimes.onnx import OnnxRuntime


@pytest.fixture(scope="module")
def file(bundle: Bundle, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checks")
    return export(bundle, target="onnx", precision="fp16", out=folder, gate=gate).path


def test_a_good_file_passes_and_says_what_was_looked_at(file: Path) -> None:
    found = {check.name: check for check in verify(file).checks}
    assert found["graph"].passed
    assert "standard operators, opset 20" in found["graph"].detail
    assert found["layers"].passed
    assert found["float16"].passed
    reach = OnnxRuntime(file).facts.activations
    assert reach is not None
    assert reach.largest > 1.0


def test_layers_stored_otherwise_than_stated_are_named(file: Path, tmp_path: Path) -> None:
    other = tmp_path / file.name
    other.write_bytes(file.read_bytes())
    facts = dict(OnnxRuntime(other).facts.written)
    facts["layers"]["tower.stem"] = "int8"
    target.write_facts(other, facts)
    found = {check.name: check for check in checks(other, OnnxRuntime(other))}
    assert found["layers"].passed is False
    assert found["layers"].detail == "tower.stem is stored as float16 where the file says int8"


def test_operators_outside_the_standard_are_refused(file: Path, tmp_path: Path) -> None:
    model = onnx.load_model(file)
    last = model.graph.node[-1]
    inner = "inner"
    output, last.output[0] = last.output[0], inner
    model.graph.node.append(
        helper.make_node("Gelu", [inner], [output], domain="com.microsoft", name="foreign")
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    other = tmp_path / file.name
    other.write_bytes(model.SerializeToString())
    target.write_facts(other, dict(OnnxRuntime(file).facts.written))
    found = {check.name: check for check in checks(other, OnnxRuntime(other))}
    assert found["graph"].passed is False
    assert "outside the standard: Gelu" in found["graph"].detail


def test_values_beyond_float16_end_only_what_computes_in_it() -> None:
    facts = Facts(
        model=ModelFacts(name="tiny", bundle=""),
        preprocess=Preprocess(size=32, shortest_edge=32),
        activations=Reach(largest=70000.0, where="tower.blocks.3"),
    )
    assert float16_check(facts, meant=True).passed is False
    loose = float16_check(facts, meant=False)
    assert loose.passed is None
    assert "7e+04 in tower.blocks.3" in loose.detail
    assert float16_check(replace(facts, activations=None), meant=True).passed is None
