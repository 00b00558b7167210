"""A transformer in ONNX with fixed 8-bit ranges: QuantizeLinear and DequantizeLinear around layers.

Every int8 linear layer is ``DequantizeLinear -> Gemm -> QuantizeLinear``, its weight int8 with a
step for every output, its bias int32 in units of the products: the form that NPUs' compilers take
as one integer layer (ONNX Runtime's quantisation guide, "QDQ"). Tensors that several layers read
are rounded once. Everything between stays float.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from ralikit.export.quantise.activation_grid import ActivationGrid
from ralikit.export.quantise.static import StaticPlan
from ralikit.export.targets.onnx.layer_types import half, require_linear
from ralikit.export.targets.onnx.quant import Edit, steps_of, whole_of

_WEIGHT = ".weight"


def store_static(model: onnx.ModelProto, plan: StaticPlan) -> onnx.ModelProto:
    """Store every layer of a transformer as planned.

    Args:
        model: The float32 model of `plan.mixed.folded`.
        plan: Types, weights on their grids, and the grids of what layers read and give.

    Raises:
        ExportError: If a layer is not where the plan expects it, or float16 cannot hold a weight.
    """
    edit = Edit(model)
    rounded: dict[str, str] = {}
    for node in list(edit.nodes):
        if node.op_type not in ("Gemm", "MatMul", "Conv"):
            continue
        layer = node.input[1].removesuffix(_WEIGHT)
        kind = plan.mixed.types.get(layer, "float32")
        if kind == "float16":
            half(edit, node.input[1])
        elif kind == "int8":
            require_linear(node, layer)
            _linear(edit, node, plan.inputs[layer], plan.outputs[layer], rounded)
    return edit.done()


def _linear(
    edit: Edit,
    node: onnx.NodeProto,
    read: ActivationGrid,
    given: ActivationGrid,
    rounded: dict[str, str],
) -> None:
    source, weight_name, output = node.input[0], node.input[1], node.output[0]
    nodes = []
    if source not in rounded:
        rounded[source] = f"{source}_read"
        nodes += edit.rounding(source, rounded[source], read, name=source)
    weight = edit.constant(weight_name).astype(np.float32)
    steps = steps_of(weight)
    inputs = [rounded[source], f"{weight_name}_wide"]
    if len(node.input) > 2:
        steps = _for_bias(steps, edit.constant(node.input[2]), read)
        nodes.append(_bias(edit, node.input[2], steps, read))
        inputs.append(f"{node.input[2]}_wide")
    # Inputs first: a transposed Gemm with a step for every row has no integer kernel in ONNX
    # Runtime.
    edit.set(weight_name, whole_of(weight, steps).T.copy())
    edit.set(f"{weight_name}_step", steps)
    # Zero points are spelt out: on x86 ONNX Runtime turns int8 weights to uint8, and gives a weight
    # that has none a single one, which its own kernel refuses.
    edit.set(f"{weight_name}_zero", np.zeros(steps.shape, np.int8))
    stored = [weight_name, f"{weight_name}_step", f"{weight_name}_zero"]
    nodes += [
        helper.make_node("DequantizeLinear", stored, [inputs[1]], axis=1),
        helper.make_node("Gemm", inputs, [f"{output}_exact"], name=node.name),
        *edit.rounding(f"{output}_exact", output, given, name=output),
    ]
    edit.replace(node, nodes)


def _for_bias(
    steps: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    bias: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    read: ActivationGrid,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    # A dead channel's step is so small that its bias would leave int32.
    least = np.abs(bias.astype(np.float64)) / (read.step * 2.0**30)
    return np.maximum(steps, least.astype(np.float32))


def _bias(
    edit: Edit,
    name: str,
    steps: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    read: ActivationGrid,
) -> onnx.NodeProto:
    unit = (steps.astype(np.float64) * read.step).astype(np.float32)
    whole = np.rint(edit.constant(name).astype(np.float64) / unit).astype(np.int32)
    edit.set(name, whole)
    edit.set(f"{name}_step", unit)
    return helper.make_node("DequantizeLinear", [name, f"{name}_step"], [f"{name}_wide"], axis=0)
