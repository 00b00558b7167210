"""Which constant of an ML program is which weight of the torch graph, and how it is stored."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from ralikit.errors import BundleError
from ralikit.files import parse_json

NAMES = "ralikit.weights"
"""Metadata entry: the torch name of every constant that holds a weight, as JSON."""

_FLOATS = {"fp16": "float16", "fp32": "float32"}
# What converters append to a constant's name when they cast or compress it.
_SUFFIX = re.compile(r"(_to_fp16|_quantized|_palettized)+$")


def constant_names(graph: nn.Module) -> dict[str, str]:
    """Torch's name of every parameter of two axes or more, by the name its constant gets."""
    return {
        f"p_{name.replace('.', '_')}": name
        for name, value in graph.named_parameters()
        if value.dim() >= 2
    }


def base_name(constant: str) -> str:
    """A constant's name as the converter first gave it."""
    return _SUFFIX.sub("", constant)


def layer_name(parameter: str) -> str:
    """``tower.stem.weight`` -> ``tower.stem``; a parameter without a layer keeps its name."""
    return parameter.removesuffix(".weight")


def stored_types(block: Any, names: Mapping[str, str]) -> dict[str, str]:
    """Stored type of every named weight that the program reads, by layer."""
    return {layer: _stored_type(var) for op in _steps(block) for layer, var in _weights(op, names)}


def stored_sizes(block: Any, names: Mapping[str, str]) -> dict[str, int]:
    """Bytes that every named weight takes, codes, scales and palettes together, by layer."""
    return {layer: _stored_size(var) for op in _steps(block) for layer, var in _weights(op, names)}


def layers_behind(block: Any, names: Mapping[str, str]) -> dict[str, str]:
    """The layer whose weight each operation reads, or the last such one before it, by result."""
    found: dict[str, str] = {}
    last = ""
    for op in _steps(block):
        for layer, _ in _weights(op, names):
            last = layer
        if last:
            found |= {out.name: last for out in op.outputs}
    return found


def read_names(metadata: Mapping[str, str], *, where: str) -> dict[str, str]:
    """The metadata entry `NAMES`, untrusted.

    Raises:
        BundleError: If it is missing or not what is written there.
    """
    try:
        names = parse_json(metadata[NAMES])
    except (KeyError, ValueError) as error:
        raise BundleError(f"{where} does not name its weights: not from ralikit export") from error
    if not isinstance(names, dict) or not all(isinstance(v, str) for v in names.values()):
        raise BundleError(f"{where} does not name its weights: its entry {NAMES} is no table")
    return names


def _steps(block: Any) -> Iterator[Any]:
    # What computes; constants and what restores compressed ones do not.
    for op in block.operations:
        if op.op_type != "const" and not op.op_type.startswith("constexpr_"):
            yield op


def _weights(op: Any, names: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    # The named weights that an operation reads, each with its layer.
    for var in _inputs(op):
        name = names.get(base_name(var.name))
        if name is not None and var.op is not None:
            yield layer_name(name), var


def _inputs(op: Any) -> Iterator[Any]:
    for value in op.inputs.values():
        if value is not None:
            yield from value if isinstance(value, list | tuple) else (value,)


def _stored_type(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    op = var.op
    if op.op_type == "constexpr_lut_to_dense":
        return f"pal{int(math.log2(op.lut.shape[0 if op.lut.rank == 1 else -2]))}"
    data = {
        "constexpr_affine_dequantize": "quantized_data",
        "constexpr_blockwise_shift_scale": "data",
    }.get(op.op_type)
    if data is None and op.op_type != "const":
        return str(op.op_type)
    stored: str = types.builtin_to_string(op.inputs[data].dtype if data else var.dtype)
    return _FLOATS.get(stored, stored)


def _stored_size(var: Any) -> int:
    if var.op.op_type == "const":
        return _bytes(var)
    parts = [
        var.op.inputs.get(key) for key in ("quantized_data", "data", "indices", "lut", "scale")
    ]
    return sum(_bytes(part) for part in parts if part is not None)


def _bytes(var: Any) -> int:
    bits = var.dtype.get_bitwidth()
    return int(math.prod(var.shape)) * int(bits) // 8
