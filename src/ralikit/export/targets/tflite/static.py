"""A transformer's linear layers as integer kernels with fixed ranges, written into the flatbuffer.

Every int8 layer reads an int8 tensor that a QUANTIZE makes (one for all layers that read the same)
and gives an int8 tensor that a DEQUANTIZE makes float again; its weight is int8 with a step for
every output, its bias int32 in units of the products (TFLite's 8-bit quantisation specification).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ralikit.errors import ExportError
from ralikit.export.quantise.activation_grid import ActivationGrid
from ralikit.export.quantise.static import StaticPlan
from ralikit.export.targets.tflite.graph import LINEAR, Array, Graph
from ralikit.export.targets.tflite.store import (
    PER_CHANNEL,
    codes_of,
    own_weight,
    quantization,
    store,
)

_SHIFT = 128  # our grids count from 0, TFLite's int8 from -128
_QUANTIZE, _DEQUANTIZE = 1, 2


def store_static(graph: Graph, plan: StaticPlan) -> None:
    """Store layers as planned, float16 ones too.

    Args:
        graph: The converted `plan.mixed.folded`, its layers named; changed in place.
        plan: Types, weights on their grids, and the grids of what layers read and give.

    Raises:
        ExportError: If a layer is not in the graph, is no linear layer, or off its grid.
    """
    types = plan.mixed.types
    operators = {
        graph.name(int(op.inputs[1])).removesuffix(".weight"): op for op in graph.weighted()
    }
    rounded: dict[int, int] = {}
    for name, kind in types.items():
        if kind != "int8":
            continue
        op = operators.get(name)
        if op is None or graph.kind(op) != "FULLY_CONNECTED":
            raise ExportError(f"layer {name} is no linear layer of the converted graph")
        _linear(graph, op, name, plan.inputs[name], plan.outputs[name], rounded)
    store(graph, {name: kind for name, kind in types.items() if kind != "int8"})


def _linear(
    graph: Graph,
    op: Any,
    name: str,
    read: ActivationGrid,
    given: ActivationGrid,
    rounded: dict[int, int],
) -> None:
    if op.builtinOptions.fusedActivationFunction != LINEAR:
        raise ExportError(f"layer {name} has an activation function merged into it")
    own_weight(graph, op, name)
    source, output = int(op.inputs[0]), int(op.outputs[0])
    if source not in rounded:
        rounded[source] = _tensor(graph, f"{graph.name(source)}.int8", source, read)
        graph.add_operator("QUANTIZE", _QUANTIZE, source, rounded[source], before=op)
    weight = _constant(graph, int(op.inputs[1]))
    codes = codes_of(weight, "int8")
    steps = codes.steps
    bias = _constant(graph, int(op.inputs[2])) if _has_bias(op) else None
    values = codes.values
    if bias is not None:
        # A dead channel's step is so small that its bias would leave int32.
        least = np.abs(bias.astype(np.float64)) / (read.step * 2.0**30)
        wider = np.maximum(steps, least.astype(np.float32))
        values = np.rint(values * (steps / wider)[:, None]).astype(np.int8)
        steps = wider
    small = graph.add_constant(f"{name}.weight", values)
    graph.main.tensors[small].quantization = quantization(steps, axis=0)
    op.inputs = [rounded[source], small, *op.inputs[2:]]
    if bias is not None:
        unit = (steps.astype(np.float64) * read.step).astype(np.float32)
        whole = graph.add_constant(f"{name}.bias", np.rint(bias / unit).astype(np.int32))
        graph.main.tensors[whole].quantization = quantization(unit, axis=0)
        op.inputs[2] = whole
    op.opcodeIndex = graph.opcode("FULLY_CONNECTED", PER_CHANNEL["FULLY_CONNECTED"])
    result = _tensor(graph, f"{name}.int8", output, given)
    op.outputs = [result]
    after = graph.operators[graph.operators.index(op) + 1]
    graph.add_operator("DEQUANTIZE", _DEQUANTIZE, result, output, before=after)


def _has_bias(op: Any) -> bool:
    return len(op.inputs) > 2 and int(op.inputs[2]) >= 0


def _constant(graph: Graph, tensor: int) -> Array:
    values = graph.constant(tensor)
    if values is None or values.dtype != np.float32:
        raise ExportError(f"{graph.name(tensor)} is no float32 constant")
    return values


def _tensor(graph: Graph, name: str, like: int, grid: ActivationGrid) -> int:
    entry = schema.TensorT()
    entry.name, entry.type, entry.buffer = name.encode(), schema.TensorType.INT8, 0
    entry.shape = list(graph.shape(like))
    entry.quantization = schema.QuantizationParametersT()
    entry.quantization.scale = np.array([grid.step], dtype=np.float32)
    entry.quantization.zeroPoint = np.array([grid.zero - _SHIFT], dtype=np.int64)
    graph.main.tensors.append(entry)
    return len(graph.main.tensors) - 1
