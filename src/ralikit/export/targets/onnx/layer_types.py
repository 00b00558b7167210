"""A transformer in ONNX with a type for every layer: int8 with dynamic activations, int4, float16.

int8 is written as DynamicQuantizeLinear and MatMulInteger, standard operators that ONNX Runtime
merges into one kernel each: activations uint8 with a scale found on every photo, weights int8 with
one for every output. Tensors that several layers read are rounded once. int4 weights come out of a
blocked DequantizeLinear, which ONNX Runtime merges with the MatMul behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from ml_dtypes import int4
from numpy.typing import NDArray
from onnx import helper

from ralikit.errors import ExportError
from ralikit.export.quantise.typed_layers import Mixed
from ralikit.export.targets.onnx.quant import Edit, steps_of, whole_of

OPSET_INT4 = 21
_WEIGHT = ".weight"


def store(model: onnx.ModelProto, plan: Mixed, *, integers: bool) -> onnx.ModelProto:
    """Store every layer of a transformer as planned.

    Args:
        model: The float32 model of `plan.folded`.
        plan: Types, and weights on their grids.
        integers: Whether int8 layers compute with integers, or only store their weights so.

    Raises:
        ExportError: If a layer is not where the plan expects it, or float16 cannot hold a weight.
    """
    edit = Edit(model)
    rounded: dict[str, tuple[str, str, str]] = {}
    for node in list(edit.nodes):
        if node.op_type not in ("Gemm", "MatMul", "Conv"):
            continue
        layer = node.input[1].removesuffix(_WEIGHT)
        kind = plan.types.get(layer, "float32")
        if kind == "float16":
            half(edit, node.input[1])
        elif kind == "int8" and not integers:
            edit.int8_weight(node.input[1])
        elif kind in ("int8", "int4"):
            require_linear(node, layer)
            if kind == "int8":
                _integer_linear(edit, node, rounded)
            else:
                _int4_linear(edit, node, plan.steps[layer].numpy())
    if "int4" in plan.types.values():
        for opset in model.opset_import:
            opset.version = max(opset.version, OPSET_INT4) if not opset.domain else opset.version
    return edit.done()


def check_sizes(model: onnx.ModelProto, weights: Mapping[str, int]) -> None:
    """Compare the number of values each layer's weight holds with the scorer's.

    Args:
        model: A converted model.
        weights: Number of weights by layer.

    Raises:
        ExportError: If a layer's weight has another size, or none.
    """
    sizes = {i.name: int(np.prod(i.dims)) for i in model.graph.initializer}
    for layer, wanted in weights.items():
        found = sizes.get(f"{layer}{_WEIGHT}")
        if found != wanted:
            raise ExportError(
                f"layer {layer} holds {found or 'no'} values in the converted file, not {wanted}"
            )


def require_linear(node: onnx.NodeProto, layer: str) -> None:
    """See that a node is a linear layer as torch's exporter writes one.

    Raises:
        ExportError: If it is another operator, or scales its operands.
    """
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0
    if node.op_type != "Gemm" or attributes.get("transB") != 1 or not plain:
        raise ExportError(f"layer {layer} became {node.op_type} in ONNX, not a linear layer")


def half(edit: Edit, name: str) -> None:
    """Store a weight as float16, widened where it is used.

    Raises:
        ExportError: If float16 cannot hold it.
    """
    weight = edit.constant(name)
    if np.abs(weight).max() > np.finfo(np.float16).max:
        raise ExportError(f"fp16 cannot hold {name}: a value is beyond 65504")
    edit.before("Cast", name, weight.astype(np.float16), to=onnx.TensorProto.FLOAT)


def _integer_linear(
    edit: Edit, node: onnx.NodeProto, rounded: dict[str, tuple[str, str, str]]
) -> None:
    # x -> uint8, its scale and zero point; times int8; the sum of products times both scales.
    source, name = node.input[0], node.input[1]
    nodes = []
    if source not in rounded:
        rounded[source] = (f"{source}_uint8", f"{source}_scale", f"{source}_zero")
        nodes.append(
            helper.make_node(
                "DynamicQuantizeLinear", [source], rounded[source], name=f"Quantize_{source}"
            )
        )
    small, scale, zero = rounded[source]
    weight = edit.constant(name).astype(np.float32)
    steps = steps_of(weight)
    edit.set(name, whole_of(weight, steps).T.copy())
    edit.set(f"{name}_step", steps)
    output = node.output[0]
    products, wide, both = f"{output}_products", f"{output}_float", f"{output}_scale"
    nodes += [
        helper.make_node("MatMulInteger", [small, name, zero], [products], name=node.name),
        helper.make_node("Cast", [products], [wide], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [scale, f"{name}_step"], [both]),
    ]
    nodes += _scaled(node, wide, both)
    edit.replace(node, nodes)


def _scaled(node: onnx.NodeProto, wide: str, both: str) -> list[onnx.NodeProto]:
    output = node.output[0]
    if len(node.input) < 3:
        return [helper.make_node("Mul", [wide, both], [output])]
    scaled = f"{output}_scaled"
    return [
        helper.make_node("Mul", [wide, both], [scaled]),
        helper.make_node("Add", [scaled, node.input[2]], [output]),
    ]


def _int4_linear(edit: Edit, node: onnx.NodeProto, steps: NDArray[np.float32]) -> None:
    name, output = node.input[1], node.output[0]
    weight = edit.constant(name).astype(np.float32)
    block = weight.shape[1] // steps.shape[1]
    codes = np.rint(weight / np.repeat(steps, block, axis=1))
    edit.set(name, codes.T.astype(int4))
    edit.set(f"{name}_step", steps.T.astype(np.float32).copy())
    wide = f"{name}_float"
    product = output if len(node.input) < 3 else f"{output}_product"
    nodes = [
        helper.make_node(
            "DequantizeLinear", [name, f"{name}_step"], [wide], axis=0, block_size=block
        ),
        helper.make_node("MatMul", [node.input[0], wide], [product], name=node.name),
    ]
    if len(node.input) > 2:
        nodes.append(helper.make_node("Add", [product, node.input[2]], [output]))
    edit.replace(node, nodes)
