"""A .tflite flatbuffer as an editable graph: operators by name, constants as arrays, few rewrites.

The converter keeps convolutions in NHWC but leaves a transpose on either side of what it does not
know to move: a zero padding before the first convolution, a mean after the last. Each costs a pass
over memory outside the integer kernels, so they are rewritten here; every rewrite is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

Array = np.ndarray[Any, Any]

_BUILTINS: dict[int, str] = {
    v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")
}
_TYPES: dict[int, str] = {v: k for k, v in vars(schema.TensorType).items() if not k.startswith("_")}
_NUMPY: dict[str, type[np.generic]] = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
RELU6 = schema.ActivationFunctionType.RELU6
RELU = schema.ActivationFunctionType.RELU
LINEAR = schema.ActivationFunctionType.NONE
SAME = schema.Padding.SAME
VALID = schema.Padding.VALID
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


class _Builder(flatbuffer_utils.flatbuffers.Builder):  # type: ignore[misc]
    """Stores equal integer vectors once.

    A weight with a scale per channel carries as many 64-bit zero points, all 0, and so does its
    bias, which is a tenth of a small int8 file.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._known: dict[bytes, Any] = {}

    def CreateNumpyVector(self, x: Array) -> Any:  # noqa: N802
        if x.dtype != np.int64:
            return super().CreateNumpyVector(x)
        key = x.tobytes()
        if key not in self._known:
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]


class Graph:
    """The single subgraph of a model, read from bytes and packed back into bytes.

    Tensors are named by their index; operators are the schema's own objects, in execution order.
    """

    def __init__(self, data: bytes) -> None:
        """Parse a flatbuffer; the bytes are trusted (see `ralikit.runtimes.litert` for others)."""
        self.model = flatbuffer_utils.read_model_from_bytearray(data)
        self.main = self.model.subgraphs[0]

    @classmethod
    def read(cls, path: Path) -> Graph:
        """Read a file."""
        return cls(path.read_bytes())

    def pack(self) -> bytes:
        """Serialise; the same graph gives the same bytes."""
        builder = _Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    @property
    def operators(self) -> list[Any]:
        """Operators in execution order."""
        operators: list[Any] = self.main.operators
        return operators

    def kind(self, operator: Any) -> str:
        """An operator's builtin name, e.g. ``"CONV_2D"``."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return _BUILTINS[max(code.builtinCode, code.deprecatedBuiltinCode)]

    def name(self, tensor: int) -> str:
        """A tensor's name; the converter spells the module path in it."""
        raw = self.main.tensors[tensor].name
        return raw.decode() if isinstance(raw, bytes) else str(raw)

    def dtype(self, tensor: int) -> str:
        """A tensor's stored type in lower case, e.g. ``"float32"``."""
        return _TYPES[self.main.tensors[tensor].type].lower()

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape; () for a scalar."""
        return tuple(int(n) for n in self.main.tensors[tensor].shape or ())

    def constant(self, tensor: int) -> Array | None:
        """A constant's values (a copy), or None for what is computed."""
        if tensor < 0:
            return None
        entry = self.main.tensors[tensor]
        data = self.model.buffers[entry.buffer].data
        if data is None or len(data) == 0:
            return None
        raw: Array = np.frombuffer(bytes(data), dtype=_NUMPY[_TYPES[entry.type]])
        return raw.reshape(self.shape(tensor)).copy()

    def set_constant(self, tensor: int, values: Array) -> None:
        """Give a tensor new constant values, of its own type, in a buffer of its own."""
        entry = self.main.tensors[tensor]
        buffer = schema.BufferT()
        typed: Array = np.ascontiguousarray(values, dtype=_NUMPY[_TYPES[entry.type]])
        buffer.data = np.frombuffer(typed.tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        entry.buffer = len(self.model.buffers) - 1
        entry.shape = list(typed.shape)

    def add_constant(self, name: str, values: Array) -> int:
        """Add a constant tensor and return its index."""
        entry = schema.TensorT()
        entry.name = name.encode()
        entry.type = {np.dtype(v): getattr(schema.TensorType, k) for k, v in _NUMPY.items()}[
            values.dtype
        ]
        self.main.tensors.append(entry)
        self.set_constant(len(self.main.tensors) - 1, values)
        return len(self.main.tensors) - 1

    def producers(self) -> dict[int, Any]:
        """Computed tensor -> the operator that writes it."""
        return {int(t): op for op in self.operators for t in op.outputs}

    def consumers(self) -> dict[int, list[Any]]:
        """Tensor -> the operators that read it."""
        found: dict[int, list[Any]] = {}
        for op in self.operators:
            for tensor in op.inputs:
                found.setdefault(int(tensor), []).append(op)
        return found

    def weighted(self) -> Iterator[Any]:
        """Operators with a constant weight: convolutions and linears, in order."""
        for op in self.operators:
            if self.kind(op) in (*CONVOLUTIONS, "FULLY_CONNECTED"):
                yield op

    def prune(self) -> None:
        """Drop operators whose results nobody reads."""
        wanted = {int(t) for t in self.main.outputs}
        kept = []
        for op in reversed(self.operators):
            if any(int(t) in wanted for t in op.outputs):
                kept.append(op)
                wanted |= {int(t) for t in op.inputs if t >= 0}
        self.main.operators = kept[::-1]

    def metadata(self, key: str) -> bytes | None:
        """One metadata entry's bytes."""
        for entry in self.model.metadata or []:
            if entry.name == key.encode():
                return bytes(self.model.buffers[entry.buffer].data)
        return None

    def set_metadata(self, key: str, value: bytes) -> None:
        """Put or replace one metadata entry."""
        entries = [e for e in self.model.metadata or [] if e.name == key.encode()]
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(value, dtype=np.uint8)
        if entries:
            self.model.buffers[entries[0].buffer] = buffer
            return
        entry = schema.MetadataT()
        entry.name = key.encode()
        self.model.buffers.append(buffer)
        entry.buffer = len(self.model.buffers) - 1
        self.model.metadata = [*(self.model.metadata or []), entry]


def name_layers(graph: Graph, weights: dict[str, Array]) -> None:
    """Name tensors as the model names its layers; whatever no layer owns gets a number.

    A layer is recognised by its weights, not by the order or the converter's spelling. The output
    of layer ``tower.stem`` is then called ``tower.stem``, its constants ``tower.stem.weight`` and
    ``tower.stem.bias``; a sum and a mean are called after what goes into them, ``.add``, ``.mean``.

    Args:
        graph: A converted float model.
        weights: Weights by layer, as torch stores them: (O, I, h, w), (C, 1, h, w) or (O, I).
    """
    left = {name: _as_stored(array) for name, array in weights.items()}
    names = {int(t): "image" for t in graph.main.inputs}
    for number, op in enumerate(graph.operators):
        output = int(op.outputs[0])
        kind, sources = graph.kind(op), [names.get(int(t), "") for t in op.inputs]
        name = f"{kind.lower()}.{number}"
        if kind in (*CONVOLUTIONS, "FULLY_CONNECTED"):
            values = graph.constant(int(op.inputs[1]))
            owner = next((n for n, w in left.items() if _equal(w, values)), None)
            if owner is not None:
                name = owner
                del left[owner]
            for tensor, part in zip(op.inputs[1:], ("weight", "bias"), strict=False):
                if tensor >= 0:
                    names[int(tensor)] = f"{name}.{part}"
        elif kind == "ADD" and sources[-1] in weights:
            name = f"{sources[-1]}.add"
        elif kind == "ADD" and sources[0] in weights:
            name = f"{sources[0]}.add"
        elif kind == "MEAN" and sources[0] in weights:
            name = f"{sources[0]}.mean"
        names[output] = name
    names[int(graph.main.outputs[0])] = "score"
    for index, entry in enumerate(graph.main.tensors):
        entry.name = names.get(index, f"constant.{index}").encode()


def _as_stored(weight: Array) -> Array:
    if weight.ndim != 4:
        return weight
    # (O, I, h, w) -> (O, h, w, I); depthwise (C, 1, h, w) -> (1, h, w, C).
    return weight.transpose((1, 2, 3, 0) if weight.shape[1] == 1 else (0, 2, 3, 1))


def _equal(weight: Array, stored: Array | None) -> bool:
    return stored is not None and weight.shape == stored.shape and np.array_equal(weight, stored)


def tidy(graph: Graph) -> None:
    """Rewrite what the converter left in NCHW; scores do not change.

    ``TRANSPOSE, PAD, TRANSPOSE back`` becomes one PAD, a PAD that is SAME padding goes into its
    convolution, and ``TRANSPOSE, MEAN`` becomes a MEAN over the original axes.
    """
    for op in list(graph.operators):
        if graph.kind(op) == "PAD":
            _pad_in_place(graph, op)
        elif graph.kind(op) == "MEAN":
            _mean_in_place(graph, op)
    for op in graph.operators:
        if graph.kind(op) in CONVOLUTIONS:
            _absorb_padding(graph, op)
    graph.prune()


def _permutation(graph: Graph, op: Any) -> list[int] | None:
    if op is None or graph.kind(op) != "TRANSPOSE":
        return None
    values = graph.constant(op.inputs[1])
    return None if values is None else [int(v) for v in values]


def _pad_in_place(graph: Graph, pad: Any) -> None:
    before = graph.producers().get(pad.inputs[0])
    readers = graph.consumers().get(pad.outputs[0], [])
    if len(readers) != 1:
        return
    there, back = _permutation(graph, before), _permutation(graph, readers[0])
    pads = graph.constant(pad.inputs[1])
    if (
        before is None
        or there is None
        or back is None
        or pads is None
        or [there[i] for i in back] != [0, 1, 2, 3]
    ):
        return
    pad.inputs = [before.inputs[0], graph.add_constant("ralikit/pads", pads[back])]
    pad.outputs = [readers[0].outputs[0]]
    graph.operators.remove(readers[0])


def _mean_in_place(graph: Graph, mean: Any) -> None:
    before = graph.producers().get(mean.inputs[0])
    order = _permutation(graph, before)
    axes = graph.constant(mean.inputs[1])
    if before is None or order is None or axes is None or mean.builtinOptions.keepDims:
        return
    reduced = [order[int(a)] for a in np.ravel(axes)]
    if [a for a in order if a not in reduced] != sorted(set(order) - set(reduced)):
        return  # what is left would come out in another order
    values = np.array(sorted(reduced), dtype=np.int32)
    mean.inputs = [before.inputs[0], graph.add_constant("ralikit/axes", values)]


def _absorb_padding(graph: Graph, conv: Any) -> None:
    pad = graph.producers().get(conv.inputs[0])
    options = conv.builtinOptions
    if pad is None or graph.kind(pad) != "PAD" or options.padding != VALID:
        return
    if options.dilationHFactor != 1 or options.dilationWFactor != 1:
        return
    pads, weight = graph.constant(pad.inputs[1]), graph.shape(conv.inputs[1])
    _, height, width, _ = graph.shape(pad.inputs[0])
    wanted = [
        [0, 0],
        _same(height, weight[1], options.strideH),
        _same(width, weight[2], options.strideW),
        [0, 0],
    ]
    if pads is not None and pads.tolist() == wanted:
        conv.inputs = [pad.inputs[0], *conv.inputs[1:]]
        options.padding = SAME


def _same(extent: int, kernel: int, stride: int) -> Sequence[int]:
    total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
    return [total // 2, total - total // 2]
