"""Weight compression for Core ML: which weights, how, and what the saved package really holds.

Only convolutions and linear layers of the tower are compressed. Four kinds of weight stay in
float16 or float32, because little is won and much is lost there: the read-out, the convolution that
reads pixels, the projection to the embedding, and depthwise kernels (9 numbers an output).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ralikit.errors import ExportError


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way to store weights; activations stay float16 in all of them.

    Attributes:
        kind: Integers with a scale, or indices into a palette found by k-means.
        bits: Bits a weight.
        group: Inputs that share a scale, or output channels that share a palette; None: a scale
            for each output channel, a palette for each tensor.
        minimum_ios: First iOS that reads it.
        meaning: For manifests.
    """

    kind: Literal["linear", "palette"]
    bits: int
    group: int | None = None
    minimum_ios: int = 16
    meaning: str

    @property
    def stored(self) -> str:
        """The type `stored_types` finds for a weight under this scheme."""
        return f"{'int' if self.kind == 'linear' else 'pal'}{self.bits}"


_INT8 = Scheme(
    kind="linear",
    bits=8,
    meaning="int8 weights (one scale an output channel), float16 activations: what Core ML "
    "calls int8; not integer arithmetic",
)
SCHEMES: dict[str, Scheme] = {
    "int8": _INT8,
    "int8-weights": _INT8,
    "pal6": Scheme(
        kind="palette",
        bits=6,
        meaning="weights from a palette of 64 float16 values a tensor, float16 activations",
    ),
    "pal4": Scheme(
        kind="palette",
        bits=4,
        group=16,
        minimum_ios=18,
        meaning="weights from a palette of 16 float16 values for every 16 output channels, "
        "float16 activations",
    ),
    "int4": Scheme(
        kind="linear",
        bits=4,
        group=32,
        minimum_ios=18,
        meaning="int4 weights (one scale for every 32 inputs), float16 activations",
    ),
}
"""By precision name."""

_KEPT = ("p_head_", "p_tower_projection_")
_LEAST_INPUTS = 16
_LEAST_SIZE = 2048
_READERS = {"conv": "weight", "linear": "weight", "matmul": "y"}
_SUFFIX = re.compile(r"(_to_fp16|_quantized|_palettized|_affine|_lut)+$")


@dataclass(frozen=True)
class Plan:
    """What each chosen weight becomes.

    Attributes:
        types: Expected stored type by the weight's public name.
        linear: coremltools settings by constant name, for `linear_quantize_weights`.
        palette: The same for `palettize_weights`.
    """

    types: dict[str, str] = field(default_factory=dict)
    linear: dict[str, Any] = field(default_factory=dict)
    palette: dict[str, Any] = field(default_factory=dict)


def plan(model: Any, scheme: Scheme) -> Plan:
    """Choose weights and settings for a converted float16 model.

    Raises:
        ExportError: If no weight qualifies.
    """
    from coremltools.optimize import coreml as optimize

    result = Plan()
    for name, weight in optimize.get_weights_metadata(model, weight_threshold=0).items():
        if not _qualifies(name, weight):
            continue
        result.types[public_name(name)] = scheme.stored
        if scheme.kind == "linear":
            result.linear[name] = optimize.OpLinearQuantizerConfig(
                mode="linear_symmetric",
                dtype=f"int{scheme.bits}",
                weight_threshold=0,
                **_blocks(weight.val.shape, scheme),
            )
        else:
            result.palette[name] = optimize.OpPalettizerConfig(
                mode="kmeans",
                nbits=scheme.bits,
                weight_threshold=0,
                **_groups(weight.val.shape, scheme),
            )
    if not result.types:
        raise ExportError(f"the graph has no weight to store as {scheme.stored}")
    return result


def apply(model: Any, plan: Plan) -> Any:
    """The model with its weights compressed as planned."""
    from coremltools.optimize import coreml as optimize

    if plan.linear:
        config = optimize.OptimizationConfig(global_config=None, op_name_configs=plan.linear)
        model = optimize.linear_quantize_weights(model, config)
    if plan.palette:
        config = optimize.OptimizationConfig(global_config=None, op_name_configs=plan.palette)
        model = optimize.palettize_weights(model, config)
    return model


def public_name(constant: str) -> str:
    """A weight's name without what converters append: ``tower_blocks_0_expand_weight``."""
    return re.sub(r"^[pbc]_", "", _SUFFIX.sub("", constant))


def stored_types(block: Any) -> dict[str, str]:
    """Stored type of every float weight of a program (arrays of at least two values), by name."""
    found: dict[str, str] = {}
    for op in block.operations:
        if op.op_type == "const" or op.op_type.startswith("constexpr_"):
            continue
        for var in _inputs(op):
            if var.op is None or (var.op.op_type == "const" and not _is_weight(var)):
                continue
            if var.op.op_type == "const" or var.op.op_type.startswith("constexpr_"):
                found[public_name(var.name)] = _stored_type(var)
    return found


def _qualifies(name: str, weight: Any) -> bool:
    shape = weight.val.shape
    readers = {
        (child.op_type, parameter)
        for child in weight.child_ops
        for parameter, constant in child.params_name_mapping.items()
        if constant == name
    }
    return (
        len(shape) >= 2
        and bool(readers)
        and all(_READERS.get(kind) == parameter for kind, parameter in readers)
        and not name.startswith(_KEPT)
        and weight.val.size >= _LEAST_SIZE
        and math.prod(shape[1:]) >= _LEAST_INPUTS
        and not (len(shape) == 4 and shape[1] == 3)
    )


def _blocks(shape: tuple[int, ...], scheme: Scheme) -> dict[str, Any]:
    if scheme.group is None:
        return {"granularity": "per_channel"}
    # coremltools leaves a weight in float, with a warning, where the block does not divide it.
    return {"granularity": "per_block", "block_size": _divisor(shape[1], scheme.group)}


def _groups(shape: tuple[int, ...], scheme: Scheme) -> dict[str, Any]:
    if scheme.group is None:
        return {"granularity": "per_tensor"}
    return {
        "granularity": "per_grouped_channel",
        "group_size": _divisor(shape[0], scheme.group),
        "channel_axis": 0,
    }


def _divisor(extent: int, wanted: int) -> int:
    """The largest divisor of `extent` up to `wanted`."""
    return max(n for n in range(1, wanted + 1) if extent % n == 0)


def _inputs(op: Any) -> Iterator[Any]:
    for value in op.inputs.values():
        if value is not None:
            yield from value if isinstance(value, list | tuple) else (value,)


def _is_weight(var: Any) -> bool:
    value = np.asarray(var.val)
    return value.dtype.kind == "f" and value.size > 1


def _stored_type(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    op = var.op
    if op.op_type == "const":
        return str(types.builtin_to_string(var.dtype))
    if op.op_type == "constexpr_lut_to_dense":
        return f"pal{int(math.log2(op.lut.shape[0 if op.lut.rank == 1 else -2]))}"
    data = {
        "constexpr_affine_dequantize": "quantized_data",
        "constexpr_blockwise_shift_scale": "data",
        "constexpr_cast": "source_val",
    }.get(op.op_type)
    if data is None:
        return str(op.op_type)
    return str(types.builtin_to_string(op.inputs[data].dtype))
