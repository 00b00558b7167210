"""A .tflite flatbuffer as an editable graph: operators by name, constants as arrays."""

from __future__ import annotations

from collections.abc import Iterator
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
_DEPRECATED_LAST = 127  # codes above it do not fit the field that old readers look at


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
        # A builder that is too small doubles, holding a gigabyte of weights twice.
        weights = sum(len(b.data) for b in self.model.buffers if b.data is not None)
        builder = _Builder(weights + weights // 50 + (1 << 20))
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
        return _text(self.main.tensors[tensor].name)

    def dtype(self, tensor: int) -> str:
        """A tensor's stored type in lower case, e.g. ``"float32"``."""
        return _TYPES[self.main.tensors[tensor].type].lower()

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape; () for a scalar."""
        return tuple(int(n) for n in self.main.tensors[tensor].shape or ())

    def set_shape(self, tensor: int, shape: list[int]) -> None:
        """Say what shape a computed tensor has."""
        self.main.tensors[tensor].shape = shape
        self.main.tensors[tensor].shapeSignature = None

    def outputs(self) -> dict[str, int]:
        """The model's outputs by the names of its signature, in the signature's order."""
        found = self.model.signatureDefs[0].outputs
        return {_text(entry.name): int(entry.tensorIndex) for entry in found}

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

    def is_constant(self, tensor: int) -> bool:
        """Whether a tensor's values are in the file."""
        data = self.model.buffers[self.main.tensors[tensor].buffer].data
        return data is not None and len(data) > 0

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

    def add_operator(
        self, kind: str, version: int, source: int, result: int, *, before: Any
    ) -> None:
        """Put an operator of one input and one output, without options, before another one."""
        entry = schema.OperatorT()
        entry.opcodeIndex = self.opcode(kind, version)
        entry.inputs, entry.outputs = [source], [result]
        self.operators.insert(self.operators.index(before), entry)

    def opcode(self, kind: str, version: int) -> int:
        """Index of an operator's code at a version, added where there is none."""
        builtin = getattr(schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            found = max(code.builtinCode, code.deprecatedBuiltinCode)
            if found == builtin and code.version == version:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.version = builtin, version
        code.deprecatedBuiltinCode = min(builtin, _DEPRECATED_LAST)
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

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

    def release(self) -> None:
        """Empty the buffers of constants that nobody reads; they would stay in the file."""
        read = {int(t) for op in self.operators for t in (*op.inputs, *op.outputs)}
        read |= {int(t) for t in (*self.main.inputs, *self.main.outputs)}
        for index in list(read):
            details = getattr(self.main.tensors[index].quantization, "details", None)
            if details is not None and getattr(details, "scales", -1) >= 0:
                read.add(int(details.scales))
        for index, entry in enumerate(self.main.tensors):
            if index not in read:
                entry.buffer = 0
        used = {entry.buffer for entry in self.main.tensors}
        used |= {entry.buffer for entry in self.model.metadata or []}
        for index, buffer in enumerate(self.model.buffers):
            if index not in used:
                buffer.data = None

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


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else str(raw)
