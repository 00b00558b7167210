"""What Qualcomm's NPU would leave to the CPU is named before a phone meets it."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ralikit.errors import ParityError
from ralikit.export.gate.checks import npu_check
from ralikit.export.targets.onnx.npu import QNN, npu_findings
from ralikit.model.facts import Facts


def graph(
    *nodes: onnx.NodeProto, shape: tuple[int | str, ...] = (1, 4), **constants: object
) -> onnx.ModelProto:
    """A graph from x to y."""
    return helper.make_model(
        helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
            [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
        )
    )


def test_a_graph_of_listed_operators_breaks_no_rule() -> None:
    model = graph(
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"]),
        step=np.float32(0.1),
        zero=np.uint8(3),
    )
    assert npu_findings(model) == []


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("Erf", ["x"], ["y"]), "QNN's provider has no Erf"),
        (
            helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"]),
            "a DynamicQuantizeLinear finds ranges while it runs",
        ),
        (
            helper.make_node("MatMulInteger", ["x", "x"], ["y"]),
            "a MatMulInteger finds ranges while it runs",
        ),
        (
            helper.make_node("Add", ["x", "x"], ["y"], domain="com.microsoft"),
            "QNN's provider has no Add",
        ),
        (
            helper.make_node("DequantizeLinear", ["x", "x"], ["y"], block_size=32),
            "a DequantizeLinear has steps for blocks",
        ),
    ],
)
def test_each_rule_names_the_operator_that_breaks_it(node: onnx.NodeProto, words: str) -> None:
    (found,) = npu_findings(graph(node))
    assert words in found


def test_a_shape_that_is_not_fixed_is_named() -> None:
    (found,) = npu_findings(graph(helper.make_node("Abs", ["x"], ["y"]), shape=("batch", 4)))
    assert found.startswith("x has a shape that is known only when it runs")


def test_a_reason_is_given_once_with_its_count() -> None:
    two = graph(helper.make_node("Erf", ["x"], ["h"]), helper.make_node("Erf", ["h"], ["y"]))
    assert npu_findings(two) == ["QNN's provider has no Erf (2 times)"]


def test_a_file_meant_for_an_npu_is_refused_and_another_only_says_so(facts: Facts) -> None:
    plain = npu_check(["QNN's provider has no Erf"], facts, source="a list, a date")
    assert plain.passed is None
    assert "a list, a date" in plain.detail
    meant = npu_check(
        ["QNN's provider has no Erf"], dataclasses.replace(facts, npu=True), source="s"
    )
    with pytest.raises(ParityError, match="m: NPU: QNN's provider has no Erf"):
        meant.refuse(what="m")
    assert npu_check([], facts, source="s").passed


@pytest.fixture
def facts() -> Facts:
    from support_tflite import tiny_facts

    from ralikit.model.facts import read_facts

    return read_facts(tiny_facts(), where="x")


def test_operators_that_a_converted_scorer_needs_are_on_the_list() -> None:
    assert {"Gemm", "Conv", "LayerNormalization", "Softmax", "QuantizeLinear"} <= QNN
