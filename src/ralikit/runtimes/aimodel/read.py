"""A program's constants and operations out of Apple's library, as plain values.

The library that reads a .aimodel's program gives it out through modules whose names begin with an
underscore: this is the one place that touches them, and the extra `coreai` pins their version.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.extras import require
from ralikit.printable import error_says
from ralikit.quiet import quiet_natively
from ralikit.runtimes.aimodel.asset import Asset
from ralikit.runtimes.mil.dequantise import unpack_bits
from ralikit.runtimes.mil.silent import quiet_logs

Array = NDArray[Any]

MAIN = "main"
_TYPES = {"f32": "fp32", "f16": "fp16", "i1": "bool"}
_WHOLE = {"ui8", "si8", "ui16", "si16", "ui32", "si32", "ui64", "si64"}
# What Apple's reader raises; it has no error type of its own.
_READER_ERRORS = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers that stand in the file.

    Attributes:
        values: As an array of their shape, codes of fewer than 8 bits one a byte.
        stored: Type as the file has it: ``"f16"``, ``"si4"``, ``"ui6"``.
        size: Bytes that they take.
    """

    values: Array
    stored: str
    size: int


@dataclass(frozen=True)
class Operation:
    """One operation of a graph.

    Attributes:
        kind: Its name without the dialect's: ``"conv2d"``.
        operands: Numbers of the values that it reads.
        result: Number of its value.
        dtype: Declared type of the result: ``"fp16"``, ``"fp32"`` or the file's own word.
        shape: Of the result.
        words: Its attributes as the file writes them.
    """

    kind: str
    operands: tuple[int, ...]
    result: int
    dtype: str
    shape: tuple[int, ...]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Graph:
    """One function: values are numbered, arguments first.

    Attributes:
        arguments: Name, type and shape of each input.
        constants: By value.
        operations: In order.
        results: Values given out.
        outputs: Their names.
    """

    arguments: tuple[tuple[str, str, tuple[int, ...]], ...]
    constants: Mapping[int, Constant] = field(repr=False)
    operations: tuple[Operation, ...]
    results: tuple[int, ...]
    outputs: tuple[str, ...]


def library(job: str) -> Any:
    """Apple's library for .aimodel folders, imported without its notes.

    Raises:
        MissingExtraError: If it is not installed.
    """
    with quiet_logs(), quiet_natively():
        require("coreai.runtime", extra="coreai", job=job)
        return require("coreai.authoring.asset", extra="coreai", job=job)


def read_graphs(asset: Asset) -> dict[str, Graph]:
    """Every function of an asset's program, by name.

    Raises:
        BundleError: If Apple's library cannot read it.
        MissingExtraError: If that library is not installed.
    """
    apple = library("Reading a Core AI model")
    try:
        with quiet_logs(), quiet_natively():
            program = apple.AIModelAsset.load(asset.root).program
        module = program._module._mlir_module
        graphs = {}
        for op in module.body.operations:
            if op.name == "coreai.graph":
                graphs[str(op.attributes["sym_name"]).strip('"')] = _graph(op)
    except _READER_ERRORS as error:
        said = error_says(error, most=2000)
        raise BundleError(f"{asset.root}: its program cannot be read: {said}") from error
    if MAIN not in graphs:
        raise BundleError(f"{asset.root}: its program has no function {MAIN}")
    return graphs


def _graph(op: Any) -> Graph:
    block = op.regions[0].blocks[0]
    numbers: dict[Any, int] = {}
    for argument in block.arguments:
        numbers[argument] = len(numbers)
    constants: dict[int, Constant] = {}
    operations: list[Operation] = []
    results: tuple[int, ...] = ()
    for inner in block.operations:
        inner = getattr(inner, "operation", inner)
        kind = inner.name.removeprefix("coreai.").removeprefix("decomposable.")
        read = tuple(numbers[value] for value in inner.operands)
        if kind == "output":
            results = read
            continue
        if len(inner.results) != 1:
            raise ValueError(f"operation {kind} gives {len(inner.results)} results")
        result = inner.results[0]
        number = numbers[result] = len(numbers)
        dtype, shape = _type(result.type)
        if kind == "constant":
            constants[number] = _constant(inner, shape)
            continue
        words = {named.name: str(named.attr) for named in inner.attributes}
        operations.append(Operation(kind, read, number, dtype, shape, words))
    return Graph(
        arguments=tuple(
            (name, *_type(argument.type))
            for name, argument in zip(_names(op, "arg_attrs"), block.arguments, strict=True)
        ),
        constants=constants,
        operations=tuple(operations),
        results=results,
        outputs=tuple(_names(op, "res_attrs")),
    )


def _names(op: Any, attribute: str) -> Sequence[str]:
    if attribute not in op.attributes:
        return ()
    return [
        entry["coreai.name"].value if "coreai.name" in entry else ""
        for entry in op.attributes[attribute]
    ]


def _type(kind: Any) -> tuple[str, tuple[int, ...]]:
    element = str(kind.element_type)
    return _TYPES.get(element, element), tuple(int(n) for n in kind.shape)


def _constant(op: Any, shape: tuple[int, ...]) -> Constant:
    from coreai._compiler._mlir_libs._coreaiIR import _bindings

    stored = str(op.results[0].type.element_type)
    count = math.prod(shape)
    bits = int(stored.lstrip("usifb"))
    raw = np.zeros(math.ceil(count * bits / 8), np.uint8)
    _bindings.compiler.copy_constant_value_to_array(constant_op=op, destination=raw)
    return Constant(_numbers(raw, stored, bits, count).reshape(shape), stored, len(raw))


def _numbers(raw: NDArray[np.uint8], stored: str, bits: int, count: int) -> Array:
    if stored in ("f32", "f16"):
        return raw.view(np.float32 if bits == 32 else np.float16)
    if stored in _WHOLE:
        return raw.view(np.dtype(f"{'u' if stored[0] == 'u' else ''}int{bits}"))
    if stored[:2] not in ("ui", "si") or bits > 8:
        raise ValueError(f"a constant has type {stored}, which is not read here")
    codes = unpack_bits(raw, bits, count)
    if stored[0] == "s":
        codes = np.where(codes >= 1 << (bits - 1), codes - (1 << bits), codes)
        return codes.astype(np.int8)
    return codes.astype(np.uint8)
