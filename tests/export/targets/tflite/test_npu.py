"""What an Android phone's NPU would not take is named before a phone meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from support_tflite import tiny_file
from torch import Tensor, nn

from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.npu import GOOGLE_REFUSES, MEDIATEK, QUALCOMM, npu_findings


class _Model(nn.Module):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"score": (image.float() * 2 + 1).sum().view(1)}


@pytest.fixture(scope="module")
def packed() -> bytes:
    return Graph(
        tflite._litert_torch(_Model().eval(), torch.zeros((4, 8), dtype=torch.uint8))
    ).pack()


def test_a_convolutional_int8_file_breaks_no_rule() -> None:
    assert npu_findings(Graph(tiny_file("int8"))) == []


def operator(graph: Graph, kind: str) -> Any:
    return next(op for op in graph.operators if graph.kind(op) == kind)


def unknown_everywhere(graph: Graph) -> None:
    op = operator(graph, "MUL")
    op.opcodeIndex = graph.opcode("UNIQUE", 1)


def unknown_to_mediatek(graph: Graph) -> None:
    operator(graph, "MUL").opcodeIndex = graph.opcode("POW", 1)


def of_no_fixed_shape(graph: Graph) -> None:
    tensor = graph.main.tensors[int(operator(graph, "MUL").outputs[0])]
    tensor.shapeSignature = [-1, 8]


def of_wide_integers(graph: Graph) -> None:
    tensor = graph.main.tensors[int(operator(graph, "MUL").outputs[0])]
    tensor.type = schema.TensorType.INT64


def in_blocks(graph: Graph) -> None:
    tensor = graph.main.tensors[int(operator(graph, "MUL").inputs[1])]
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.details = schema.BlockwiseQuantizationT()


def dynamic(graph: Graph) -> None:
    op = operator(graph, "MUL")
    op.opcodeIndex = graph.opcode("FULLY_CONNECTED", 12)
    op.inputs = [op.inputs[0], graph.add_constant("w", np.ones((8, 8), np.int8))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (unknown_everywhere, "Qualcomm's, MediaTek's and Google Tensor's compiler has no UNIQUE"),
        (unknown_to_mediatek, "MediaTek's compiler has no POW"),
        (of_no_fixed_shape, "a MUL has a shape that is known only when it runs"),
        (of_wide_integers, "a MUL has int64 values"),
        (in_blocks, "a MUL reads weights with steps for blocks"),
        (dynamic, "a FULLY_CONNECTED finds its input's range while it runs"),
    ],
)
def test_each_rule_names_the_operator_that_breaks_it(
    packed: bytes, change: Callable[[Graph], None], words: str
) -> None:
    graph = Graph(packed)
    assert npu_findings(graph) == []
    change(graph)
    assert any(words in found for found in npu_findings(graph))


def test_the_lists_name_operators_of_the_format() -> None:
    known = {name for name in vars(schema.BuiltinOperator) if not name.startswith("_")}
    assert known >= QUALCOMM | MEDIATEK | GOOGLE_REFUSES
    assert not GOOGLE_REFUSES & MEDIATEK
