"""Precisions of an ONNX model: 16-bit weights, 8-bit weights, and integers throughout the tower.

All of them are written as standard operators: a Cast or DequantizeLinear before the layer that uses
a weight, and for int8 QuantizeLinear / DequantizeLinear between layers ("QDQ"), which runtimes
merge into integer kernels. Activations are uint8 and weights int8: the pair that x86 and Arm both
have instructions for (int8 activations were 17 times slower on x86).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from ralikit.errors import ExportError
from ralikit.export.quantise.activation_grid import ActivationGrid
from ralikit.export.quantise.equalising import WEIGHT_LEVELS as LEVELS
from ralikit.export.quantise.int8 import Int8Plan

_LAYERS = ("Conv", "Gemm")
_TOWER = "tower."
_WEIGHT = ".weight"
_TYPES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.INT4: "int4",
}


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the tower's weights as float16, widened where they are used; the head stays float32.

    Sums are float32, so that the file gives the same score on every computer; a runtime on a GPU
    may compute in float16 on its own.
    """
    edit = Edit(model)
    for name in edit.tower_weights():
        weight = edit.constant(name)
        if np.abs(weight).max() > np.finfo(np.float16).max:
            raise ExportError(f"fp16 cannot hold {name}: a value is beyond 65504")
        half = weight.astype(np.float16)
        edit.before("Cast", name, half, to=onnx.TensorProto.FLOAT)
    return edit.done()


def quantise_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store the tower's weights as int8, a step for every output channel; arithmetic is float32."""
    edit = Edit(model)
    for name in edit.tower_weights():
        edit.int8_weight(name)
    return edit.done()


def quantise(model: onnx.ModelProto, plan: Int8Plan) -> onnx.ModelProto:
    """Put the tower on integer kernels, from the pixels to the embedding; the head stays float32.

    Args:
        model: The float model of `plan.folded`.
        plan: Rounded weights and the grids between layers.

    Raises:
        ExportError: If a layer of the tower would be left without an integer input.
    """
    edit = Edit(model)
    edit.read_pixels(plan.pixels)
    grids = {f"{_TOWER}{name}": grid for name, grid in plan.grids.items()}
    names: dict[str, str] = {}  # tensor -> layer it comes from
    stored: dict[str, ActivationGrid] = {edit.pixels: plan.pixels}  # what a DequantizeLinear gives
    for node in list(edit.nodes):
        output = node.output[0]
        if node.op_type in _LAYERS and node.input[1].startswith(_TOWER):
            layer = node.input[1].removesuffix(_WEIGHT)
            names[output] = layer
            grid = stored.get(node.input[0])
            if grid is None:
                raise ExportError(f"int8 does not reach {layer}: nothing rounds its input")
            if node.op_type == "Gemm":
                node = edit.int8_linear(node)
            else:
                edit.int8_convolution(node, grid)
        elif node.op_type in ("Clip", "Relu") and node.input[0] in names:
            names[output] = names[node.input[0]]
        elif node.op_type == "Add" and all(i in stored for i in node.input):
            names[output] = f"{names[node.input[1]]}.add"
        elif node.op_type in ("ReduceMean", "GlobalAveragePool") and node.input[0] in stored:
            names[output] = f"{names[node.input[0]]}.mean"
        else:
            continue
        users = edit.users(output)
        if len(users) == 1 and users[0].op_type in ("Clip", "Relu"):
            continue
        grid = grids.get(names[output])
        if grid is not None:
            tensor = edit.round_trip(node, grid)
            stored[tensor], names[tensor] = grid, names[output]
    return edit.done()


def weight_types(model: onnx.ModelProto) -> dict[str, str]:
    """Stored type of every layer's weight, by the layer's name in the scorer."""
    makers = {o: node for node in model.graph.node for o in node.output}
    stored = {i.name: i.data_type for i in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type not in (*_LAYERS, "MatMul", "MatMulInteger"):
            continue
        source = node.input[1]
        while source in makers:
            source = makers[source].input[0]
        kind = stored.get(source)
        if kind is not None:
            found[source.removesuffix(_WEIGHT)] = _TYPES.get(
                kind, onnx.TensorProto.DataType.Name(kind)
            )
    return found


class Edit:
    """A model under change: nodes in order, constants by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.nodes: list[onnx.NodeProto] = list(model.graph.node)
        self._constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self.pixels = "pixels"

    def tower_weights(self) -> list[str]:
        """Names of the tower's layers' weights, in order."""
        return [
            node.input[1]
            for node in self.nodes
            if node.op_type in _LAYERS and node.input[1].startswith(_TOWER)
        ]

    def constant(self, name: str) -> NDArray[np.generic]:
        """A constant's value."""
        value: NDArray[np.generic] = self._constants[name]
        return value

    def set(self, name: str, value: NDArray[np.generic]) -> None:
        """Add a constant, or give one another value."""
        self._constants[name] = value

    def replace(self, node: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> None:
        """Put nodes in the place of one."""
        at = self.nodes.index(node)
        self.nodes[at : at + 1] = nodes

    def users(self, tensor: str) -> list[onnx.NodeProto]:
        """Nodes that read a tensor."""
        return [node for node in self.nodes if tensor in node.input]

    def reroute(self, old: str, new: str) -> None:
        """Let everything that read `old` read `new`, but for the node that makes `new` from it."""
        for node in self.nodes:
            if new not in node.output:
                node.input[:] = [new if name == old else name for name in node.input]

    def before(
        self, op: str, name: str, value: NDArray[np.generic], *more: str, **attributes: int
    ) -> str:
        """Replace a constant's value; its readers read what an operator makes of it."""
        self._constants[name] = value
        output = f"{name}_float"
        node = helper.make_node(op, [name, *more], [output], name=f"{op}_{name}", **attributes)
        at = next(i for i, n in enumerate(self.nodes) if name in n.input)
        self.nodes.insert(at, node)
        self.reroute(name, output)
        return output

    def int8_weight(self, name: str) -> None:
        """Store a weight as int8, made float again by a Cast and a Mul.

        Runtimes fold those two into a float constant when they load the file; a DequantizeLinear
        they keep, and compute before every photo (twice the time, on ONNX Runtime).
        """
        weight = self.constant(name).astype(np.float32)
        steps = steps_of(weight)
        cast = self.before("Cast", name, whole_of(weight, steps), to=onnx.TensorProto.FLOAT)
        self._constants[f"{name}_step"] = steps.reshape(-1, *[1] * (weight.ndim - 1))
        wide = f"{name}_wide"
        at = next(i for i, n in enumerate(self.nodes) if cast in n.output)
        mul = helper.make_node("Mul", [cast, f"{name}_step"], [wide], name=f"Mul_{name}")
        self.nodes.insert(at + 1, mul)
        self.reroute(cast, wide)

    def int8_convolution(self, node: onnx.NodeProto, grid: ActivationGrid) -> None:
        """Give a convolution int8 weights and an int32 bias in the units of its products."""
        name = node.input[1]
        weight = self.constant(name).astype(np.float32)
        steps = steps_of(weight)
        if len(node.input) > 2:
            bias_name = node.input[2]
            bias = self.constant(bias_name).astype(np.float64)
            # A dead channel's step is so small that its bias would leave int32.
            least = np.abs(bias) / (grid.step * 2.0**30)
            steps = np.maximum(steps, least.astype(np.float32))
            unit = (steps.astype(np.float64) * grid.step).astype(np.float32)
            self._constants[f"{bias_name}_step"] = unit
            whole = np.rint(bias / unit).astype(np.int32)
            self.before("DequantizeLinear", bias_name, whole, f"{bias_name}_step", axis=0)
        self._constants[f"{name}_step"] = steps
        self.before("DequantizeLinear", name, whole_of(weight, steps), f"{name}_step", axis=0)

    def int8_linear(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """Turn a Gemm into an int8 MatMul whose bias is subtracted in float32.

        ONNX Runtime has an integer kernel with a float result for MatMul, and none for a Gemm with
        a step for every output. It makes a Gemm of a MatMul followed by an Add, but not by a Sub.
        """
        name, bias = node.input[1], node.input[2]
        weight = self.constant(name).astype(np.float32)
        steps = steps_of(weight)
        self._constants[f"{name}_step"] = steps
        wide = self.before(
            "DequantizeLinear", name, whole_of(weight, steps).T.copy(), f"{name}_step", axis=1
        )
        self._constants[bias] = -self.constant(bias).astype(np.float32)
        product = f"{node.output[0]}_product"
        at = self.nodes.index(node)
        last = helper.make_node("Sub", [product, bias], [node.output[0]], name=f"{node.name}_bias")
        self.nodes[at : at + 1] = [
            helper.make_node("MatMul", [node.input[0], wide], [product], name=node.name),
            last,
        ]
        return last

    def read_pixels(self, grid: ActivationGrid) -> None:
        """Let the first layer read the photo's bytes: no cast, no scaling in float.

        Raises:
            ExportError: If what stands before the first layer is not the scorer's normalisation.
        """
        first = next(i for i, n in enumerate(self.nodes) if n.op_type in _LAYERS)
        kinds = [n.op_type for n in self.nodes[:first]]
        if kinds != ["Cast", "Transpose", "Mul", "Add"]:
            raise ExportError(f"int8 expects the scorer's normalisation first, not {kinds}")
        transpose = self.nodes[1]
        transpose.input[0] = "image"
        old = self.nodes[3].output[0]
        del self.nodes[2:4], self.nodes[0]
        tensor = self._dequantise(transpose.output[0], grid, name="image", output=self.pixels)
        self.nodes.insert(1, tensor)
        self.reroute(old, self.pixels)

    def round_trip(self, node: onnx.NodeProto, grid: ActivationGrid) -> str:
        """Round what a node gives to a grid; everything after reads the rounded tensor.

        A ReLU or ReLU6 that the grid's ends perform is left out.
        """
        tensor = node.output[0]
        at = self.nodes.index(node)
        if node.op_type in ("Clip", "Relu") and grid.zero == 0 and self._clips(node, grid):
            source = node.input[0]
            del self.nodes[at]
            at -= 1
        else:
            source = tensor
        output = f"{tensor}_rounded"
        small = f"{tensor}_uint8"
        self.reroute(tensor, output)
        back = self._dequantise(small, grid, name=tensor, output=output)
        to_small = helper.make_node(
            "QuantizeLinear", [source, *back.input[1:]], [small], name=f"QuantizeLinear_{tensor}"
        )
        self.nodes[at + 1 : at + 1] = [to_small, back]
        return output

    def rounding(
        self, source: str, output: str, grid: ActivationGrid, *, name: str
    ) -> list[onnx.NodeProto]:
        """Two nodes that round a tensor to a grid.

        Args:
            source: What is rounded.
            output: What they give.
            grid: The grid.
            name: For the constants.
        """
        small = f"{output}_uint8"
        back = self._dequantise(small, grid, name=name, output=output)
        to_small = helper.make_node(
            "QuantizeLinear", [source, *back.input[1:]], [small], name=f"QuantizeLinear_{name}"
        )
        return [to_small, back]

    def done(self) -> onnx.ModelProto:
        """The changed model: unused constants dropped, the rest in the order of their use."""
        graph = self._model.graph
        used = list(dict.fromkeys(name for node in self.nodes for name in node.input))
        del graph.node[:]
        graph.node.extend(self.nodes)
        del graph.initializer[:]
        graph.initializer.extend(
            numpy_helper.from_array(self._constants[name], name)
            for name in used
            if name in self._constants
        )
        return self._model

    def _dequantise(
        self, small: str, grid: ActivationGrid, *, name: str, output: str
    ) -> onnx.NodeProto:
        self._constants[f"{name}_step"] = np.array(grid.step, dtype=np.float32)
        self._constants[f"{name}_zero"] = np.array(grid.zero, dtype=np.uint8)
        return helper.make_node(
            "DequantizeLinear",
            [small, f"{name}_step", f"{name}_zero"],
            [output],
            name=f"DequantizeLinear_{name}",
        )

    def _clips(self, node: onnx.NodeProto, grid: ActivationGrid) -> bool:
        if node.op_type == "Relu":
            return True
        low, high = (float(self.constant(name)) for name in node.input[1:3])
        return low == 0.0 and grid.high <= high * (1 + 1e-6)


def steps_of(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    # As `rounding.weight_steps`, in numpy.
    peak = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    steps: NDArray[np.float32] = np.maximum(peak, np.float32(1e-8)) / np.float32(LEVELS)
    return steps


def whole_of(weight: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.int8]:
    whole = np.rint(weight / steps.reshape(-1, *[1] * (weight.ndim - 1)))
    clipped: NDArray[np.int8] = np.clip(whole, -LEVELS, LEVELS).astype(np.int8)
    return clipped


def kernel_types(nodes: Iterable[onnx.NodeProto]) -> dict[str, int]:
    """How often each operator occurs."""
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return counts
