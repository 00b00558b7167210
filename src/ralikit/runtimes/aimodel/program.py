"""A Core AI program read back from its asset and computed with torch, faster than Apple's CPU path.

This is not Core AI. Weights are the stored ones; sums are float32, and what the program declares
float16 is rounded after each operation. Exports compare it with Apple's own runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.errors import BundleError
from ralikit.printable import error_says, shown
from ralikit.runtimes.aimodel.asset import Asset
from ralikit.runtimes.aimodel.kernels import KERNELS
from ralikit.runtimes.aimodel.read import MAIN, Constant, Graph, Operation, read_graphs
from ralikit.runtimes.mil.ranges import Ranges

_READS_WEIGHT = {"conv2d": 1, "broadcasting_batch_matmul": 1}
_RESTORES = ("blockwise_shift_scale", "lut_to_dense")
_SAME = ("transpose", "cast", "reshape")
_FLOATS = {"f32": "float32", "f16": "float16"}
_ERRORS = (ArithmeticError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant matrix or kernel that a layer multiplies with.

    Attributes:
        stored: ``"float32"``, ``"float16"``, ``"int8"``, ``"int4"``, ``"pal6"`` and so on.
        size: Bytes of its codes, scales and tables.
        values: As the program restores it, in the torch layer's own axes.
        input_scale: Step of the int8 values that it is multiplied with; None: they are floats.
    """

    stored: str
    size: int
    values: NDArray[np.floating]
    input_scale: float | None = None


class Program:
    """A loaded program.

    Args:
        graphs: Its functions (`ralikit.runtimes.aimodel.read.read_graphs`).
        where: Named in errors.

    Raises:
        BundleError: If it has an operation that is not known here, or a weight cannot be restored.
    """

    def __init__(self, graphs: Mapping[str, Graph], *, where: str) -> None:
        self.where = where
        self._graphs = graphs
        self._main = graphs[MAIN]
        for graph in graphs.values():
            for op in graph.operations:
                if op.kind not in KERNELS and op.kind != "invoke":
                    raise BundleError(f"{where}: operation {shown(op.kind)} is not known here")
        self._fixed = {name: self._known(graph) for name, graph in graphs.items()}

    @classmethod
    def load(cls, asset: Asset) -> Program:
        """Read an asset's program; errors as in `read_graphs` and of the class."""
        return cls(read_graphs(asset), where=str(asset.root))

    @property
    def inputs(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of every input, by name."""
        return {name: (dtype, shape) for name, dtype, shape in self._main.arguments}

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it gives."""
        return self._main.outputs

    @property
    def kinds(self) -> list[str]:
        """Its operations in order."""
        return [op.kind for op in self._main.operations]

    def run(
        self, image: NDArray[np.uint8], *, observe: Ranges | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Compute one photo's outputs.

        Raises:
            BundleError: If an operation cannot be carried out.
        """
        with torch.inference_mode():
            given = self._call(MAIN, [torch.from_numpy(np.array(image)).float()], observe)
        return {
            name: np.asarray(value.numpy(), np.float32)
            for name, value in zip(self.outputs, given, strict=True)
        }

    def weights(self) -> list[Weight]:
        """The constant weights of convolutions and matrix products, in the order they are read."""
        graph, fixed = self._main, self._fixed[MAIN]
        made = {op.result: op for op in graph.operations}
        found = []
        for op in graph.operations:
            if op.kind not in _READS_WEIGHT:
                continue
            value = op.operands[_READS_WEIGHT[op.kind]]
            if value not in fixed:
                continue
            restored = fixed[value]
            if op.kind == "broadcasting_batch_matmul":
                restored = restored.mT
            stored, size = self._stored(value, made)
            step = self._input_scale(op.operands[0], made)
            found.append(Weight(stored, size, np.array(restored.numpy()), step))
        return found

    def _input_scale(self, value: int, made: Mapping[int, Operation]) -> float | None:
        while value in made and made[value].kind in _SAME:
            value = made[value].operands[0]
        op = made.get(value)
        if op is None or op.kind != "dequantize":
            return None
        step = self._fixed[MAIN].get(op.operands[1])
        if step is None or step.numel() != 1:
            raise BundleError(f"{self.where}: a layer reads int8 values with no step of their own")
        return float(step)

    def _stored(self, value: int, made: Mapping[int, Operation]) -> tuple[str, int]:
        constants = self._main.constants
        while value in made and made[value].kind in _SAME:
            value = made[value].operands[0]
        if value in constants:
            constant = constants[value]
            return _FLOATS.get(constant.stored, constant.stored), constant.size
        op = made[value]
        if op.kind not in _RESTORES:
            raise BundleError(f"{self.where}: a weight is made by {shown(op.kind)}")
        parts = [constants[part] for part in op.operands[:2]]
        return _code_type(op, parts[0]), sum(part.size for part in parts)

    def _known(self, graph: Graph) -> dict[int, Tensor]:
        # Constants, and whatever is made of them alone: restored weights, and those turned round.
        # What is only turned round shares its numbers with what it was made of.
        known = {number: _tensor(constant) for number, constant in graph.constants.items()}
        for op in graph.operations:
            if op.kind in (*_RESTORES, *_SAME) and all(part in known for part in op.operands):
                known[op.result] = self._step(op, [known[part] for part in op.operands])
        return known

    def _call(
        self, name: str, arguments: list[Tensor], observe: Ranges | None
    ) -> tuple[Tensor, ...]:
        graph, fixed = self._graphs[name], self._fixed[name]
        values = dict(enumerate(arguments))
        last = {part: op.result for op in graph.operations for part in op.operands}
        for op in graph.operations:
            if op.result in fixed:
                continue
            parts = [fixed[p] if p in fixed else values[p] for p in op.operands]
            if op.kind == "invoke":
                (result,) = self._call(self._callee(op), parts, observe)
            else:
                result = self._step(op, parts, observe)
            values[op.result] = result
            for part in op.operands:
                if last[part] == op.result and part not in graph.results:
                    values.pop(part, None)
        return tuple(fixed[r] if r in fixed else values[r] for r in graph.results)

    def _callee(self, op: Operation) -> str:
        name = op.words.get("callee", "").partition("@")[2].partition(">")[0]
        if name not in self._graphs or name == MAIN:
            raise BundleError(f"{self.where}: it calls {shown(name)}, which it does not have")
        return name

    def _step(self, op: Operation, parts: list[Tensor], observe: Ranges | None = None) -> Tensor:
        try:
            result = KERNELS[op.kind](op, parts)
            if tuple(result.shape) != op.shape:
                raise ValueError(f"it gives {tuple(result.shape)}, not {op.shape}")
        except _ERRORS as error:
            said = error_says(error)
            raise BundleError(f"{self.where}: {op.kind} cannot be computed: {said}") from error
        if observe is not None:
            observe(f"%{op.result} ({op.kind})", op.dtype, result)
        return result.half().float() if op.dtype == "fp16" else result


def _code_type(op: Operation, codes: Constant) -> str:
    bits = codes.stored.lstrip("usi")
    return f"pal{bits}" if op.kind == "lut_to_dense" else f"int{bits}"


def _tensor(constant: Constant) -> Tensor:
    values = constant.values
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype in (np.uint16, np.uint32, np.uint64):
        values = values.astype(np.int64)
    return torch.from_numpy(np.array(values))
