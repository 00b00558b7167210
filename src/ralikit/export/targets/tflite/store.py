"""Store weights layer by layer: float32, float16, int8 or int4, and read them back.

Which numbers are stored is decided before (`ralikit.export.quantise.layer_types`): here weights
that lie on their grids already become codes and steps, and one that lies off its grid is refused,
so nothing is rounded a second time. An int8 or int4 linear layer reads float activations, which
XNNPACK rounds to 8 bits, token by token, while it runs ("dynamic"); as mere storage its weights are
expanded to float when the model is loaded.

It is written straight into the flatbuffer. A quantiser matches layers by the names of tensors, and
converters give several layers one name; here a layer is the operator that has its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ralikit.errors import ExportError
from ralikit.export.targets.tflite.graph import Array, Graph

LIMITS = {"int8": 127, "int4": 7}
"""Largest code of each integer type; the smallest is its negative."""

_SMALLEST = 1e-8  # as `ralikit.export.quantise.int8.weight_steps` keeps dead channels finite
_OFF_GRID = 1e-3  # in steps; float32 rounding alone is below 2e-5 at 127 steps
_TYPES = {"int8": schema.TensorType.INT8, "int4": schema.TensorType.INT4}
PER_CHANNEL = {"FULLY_CONNECTED": 12, "DEQUANTIZE": 5}
"""The first version of each kernel that takes weights with a step per channel."""

_INT4_DEQUANTIZE = 6
_FLOAT16_DEQUANTIZE = 3


@dataclass(frozen=True, eq=False)
class Codes:
    """A weight as whole numbers and steps.

    Attributes:
        values: int8, (O, I), within the type's limit; I is all inputs of an output, of a
            convolution too.
        steps: float32, (O,), or (O, I / block) for blocks along the input.
    """

    values: Array
    steps: Array

    def expanded(self) -> Array:
        """The weight they stand for, float32, (O, I)."""
        rows, columns = self.values.shape
        parts = self.values.reshape(rows, self.steps.size // rows, -1).astype(np.float32)
        return (parts * self.steps.reshape(rows, -1, 1)).reshape(rows, columns)


def codes_of(weight: Array, kind: str, *, steps: Array | None = None) -> Codes:
    """Codes of a weight that lies on its grid.

    Args:
        weight: float32, (O, I).
        kind: ``"int8"`` or ``"int4"``.
        steps: Of the grid, (O, blocks); None: the largest weight of a channel stands at the limit.

    Raises:
        ExportError: If a value lies between two codes or beyond the last one: it was rounded for
            another grid, or never.
    """
    rows, columns = weight.shape
    if steps is None:
        steps = np.maximum(np.abs(weight).max(axis=1, keepdims=True), _SMALLEST) / LIMITS[kind]
    steps = steps.astype(np.float32)
    parts = weight.reshape(*steps.shape, -1).astype(np.float64)
    exact = parts / steps[..., None]
    values = np.rint(exact)
    off = float(np.abs(exact - values).max())
    if not off <= _OFF_GRID or np.abs(values).max() > LIMITS[kind]:
        raise ExportError(f"weights lie off their {kind} grid, by up to {off:.3f} of a step")
    whole = values.astype(np.int8).reshape(rows, columns)
    return Codes(whole, steps[:, 0] if steps.shape[1] == 1 else steps)


def store(
    graph: Graph,
    types: Mapping[str, str],
    *,
    steps: Mapping[str, Array] | None = None,
    dynamic: bool = True,
) -> None:
    """Store layers as asked; whatever is not named stays float32.

    Args:
        graph: A converted float graph, its layers named.
        types: ``float32``, ``float16``, ``int8`` or ``int4`` by layer.
        steps: Steps of integer layers' grids, (O, blocks), by layer; see `codes_of` for the rest.
        dynamic: Integer layers compute with integers; otherwise they are only stored as such.

    Raises:
        ExportError: If a layer is not in the graph, is no linear layer, or off its grid.
    """
    operators = {graph.name(int(op.outputs[0])): op for op in graph.weighted()}
    # An operator that also gives the model's output carries that name.
    operators |= {
        graph.name(int(op.inputs[1])).removesuffix(".weight"): op for op in graph.weighted()
    }
    for name, kind in types.items():
        if kind == "float32":
            continue
        if name not in operators:
            raise ExportError(f"layer {name} is not in the converted graph")
        op = operators[name]
        own_weight(graph, op, name)
        if kind == "float16":
            _store_half(graph, op)
            continue
        linear = graph.kind(op) == "FULLY_CONNECTED"
        if kind not in LIMITS or (not linear and (dynamic or kind != "int8")):
            raise ExportError(f"layer {name} cannot be stored as {kind}: it is a {graph.kind(op)}")
        try:
            _store_codes(graph, op, kind, (steps or {}).get(name), dynamic=dynamic)
        except ExportError as error:
            raise ExportError(f"layer {name}: {error}") from error
    graph.release()


def store_positions(graph: Graph) -> None:
    """Store the position embedding as float16: added in float32, it is off by a 2000th at most.

    It is the one large constant that no layer owns, (1, N, C): what is added to a photo's patches.
    """
    for op in list(graph.operators):
        if graph.kind(op) != "ADD":
            continue
        for place, tensor in enumerate(int(t) for t in op.inputs):
            values = graph.constant(tensor) if graph.is_constant(tensor) else None
            if values is not None and values.dtype == np.float32 and values.ndim == 3:
                small = graph.add_constant(graph.name(tensor), values.astype(np.float16))
                _expand(graph, op, small, _FLOAT16_DEQUANTIZE, place=place)
    graph.release()


def stored_codes(graph: Graph, tensor: int) -> Codes:
    """Read an integer weight back as it lies in the file.

    Raises:
        ExportError: If the tensor is no integer weight with steps.
    """
    entry = graph.main.tensors[tensor]
    kind = graph.dtype(tensor)
    if kind not in LIMITS or entry.quantization is None:
        raise ExportError(f"{graph.name(tensor)} is no integer weight")
    shape = graph.shape(tensor)
    data = np.frombuffer(bytes(graph.model.buffers[entry.buffer].data), dtype=np.int8)
    values = data if kind == "int8" else _unpacked(data)[: int(np.prod(shape))]
    values = np.moveaxis(values.reshape(shape), entry.quantization.quantizedDimension, 0)
    rows = len(values)
    details = entry.quantization.details
    if details is not None:
        steps = graph.constant(int(details.scales))
        if steps is None:
            raise ExportError(f"{graph.name(tensor)} has no steps")
        steps = steps.astype(np.float32).reshape(rows, -1)
    else:
        steps = np.asarray(entry.quantization.scale, dtype=np.float32)
    return Codes(values.reshape(rows, -1), steps)


def own_weight(graph: Graph, op: Any, name: str) -> None:
    """Give a layer a weight of its own.

    The converter may give two layers of equal weights one constant: storing one would catch the
    other.

    Raises:
        ExportError: If it has no constant weight.
    """
    tensor = int(op.inputs[1])
    readers = graph.consumers()[tensor]
    if len(readers) > 1:
        values = graph.constant(tensor)
        if values is None:
            raise ExportError(f"layer {name} has no constant weight")
        op.inputs[1] = graph.add_constant(f"{name}.weight", values)


def _store_half(graph: Graph, op: Any) -> None:
    tensor = int(op.inputs[1])
    values = graph.constant(tensor)
    if values is None or not np.abs(values).max() < np.finfo(np.float16).max:
        raise ExportError(f"{graph.name(tensor)} does not fit float16")
    small = graph.add_constant(graph.name(tensor), values.astype(np.float16))
    _expand(graph, op, small, _FLOAT16_DEQUANTIZE)


def _store_codes(graph: Graph, op: Any, kind: str, steps: Array | None, *, dynamic: bool) -> None:
    tensor = int(op.inputs[1])
    weight = graph.constant(tensor)
    if weight is None or weight.dtype != np.float32:
        raise ExportError(f"{graph.name(tensor)} is no float32 constant")
    axis = _channel_axis(graph, op)
    rows = np.moveaxis(weight, axis, 0)
    codes = codes_of(rows.reshape(len(rows), -1), kind, steps=steps)
    name = graph.name(tensor)
    values = np.moveaxis(codes.values.reshape(rows.shape), 0, axis)
    small = graph.add_constant(name, np.ascontiguousarray(values))
    entry = graph.main.tensors[small]
    if kind == "int4":
        entry.type = _TYPES[kind]
        graph.model.buffers[entry.buffer].data = _packed(codes.values)
    entry.quantization = _quantization(graph, codes, name, axis)
    if dynamic:
        op.inputs[1] = small
        op.opcodeIndex = graph.opcode("FULLY_CONNECTED", PER_CHANNEL["FULLY_CONNECTED"])
    else:
        version = PER_CHANNEL["DEQUANTIZE"] if kind == "int8" else _INT4_DEQUANTIZE
        _expand(graph, op, small, version)


def _channel_axis(graph: Graph, op: Any) -> int:
    # (O, I), (O, h, w, I), or (1, h, w, C) of a depthwise convolution.
    return 3 if graph.kind(op) == "DEPTHWISE_CONV_2D" else 0


def quantization(steps: Array, *, axis: int) -> Any:
    """A tensor's parameters: a step for every slice along an axis, zero points at 0.

    Args:
        steps: float32, (O,).
        axis: Along which they lie.
    """
    entry = schema.QuantizationParametersT()
    entry.quantizedDimension = axis
    entry.scale = steps
    entry.zeroPoint = np.zeros(len(steps), dtype=np.int64)
    return entry


def _quantization(graph: Graph, codes: Codes, name: str, axis: int) -> Any:
    if codes.steps.ndim == 1:
        return quantization(codes.steps, axis=axis)
    entry = schema.QuantizationParametersT()
    entry.quantizedDimension = axis
    details = schema.BlockwiseQuantizationT()
    details.scales = graph.add_constant(f"{name}.steps", codes.steps.astype(np.float16))
    details.zeroPoints = -1
    details.blockSize = codes.values.shape[1] // codes.steps.shape[1]
    entry.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    entry.details = details
    return entry


def _expand(graph: Graph, op: Any, small: int, version: int, *, place: int = 1) -> None:
    # The operator goes on reading float32, from another one that expands the stored constant.
    large = int(op.inputs[place])
    whole = schema.TensorT()
    whole.name = f"{graph.name(large)}.float32".encode()
    whole.type = schema.TensorType.FLOAT32
    whole.shape = list(graph.shape(large))
    whole.buffer = 0
    graph.main.tensors.append(whole)
    op.inputs[place] = len(graph.main.tensors) - 1
    graph.add_operator("DEQUANTIZE", version, small, int(op.inputs[place]), before=op)


def _packed(values: Array) -> Array:
    # Two codes a byte, the first one in the low half.
    flat = values.reshape(-1).view(np.uint8) & 0x0F
    if flat.size % 2:
        flat = np.append(flat, np.uint8(0))
    packed: Array = flat[0::2] | (flat[1::2] << 4)
    return packed


def _unpacked(data: Array) -> Array:
    raw = data.view(np.uint8)
    halves = np.stack([raw & 0x0F, raw >> 4], axis=1).reshape(-1).astype(np.int8)
    signed: Array = np.where(halves > LIMITS["int4"], halves - 16, halves).astype(np.int8)
    return signed
