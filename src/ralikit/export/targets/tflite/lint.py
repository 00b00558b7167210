"""Structure checks of a .tflite: does XNNPACK take all of it, and would a phone's GPU?

XNNPACK is asked itself: the interpreter plans, and what it left to plain kernels is counted. A GPU
delegate is not at hand on a computer; the rules here are those its own check states (operators
without a kernel, slices of two axes, sums of unequal ranks, casts of bytes), held against that of
TensorFlow 2.17, and its limit of four axes.

Either way the first operator, which takes the photo's bytes to numbers, stays on the processor: one
pass over the pixels, and the rest is one piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ralikit.export.targets.tflite.graph import Graph
from ralikit.printable import counted
from ralikit.runtimes.litert_engine import Placement

GPU_OPERATORS = frozenset(
    {
        "ABS",
        "ADD",
        "BATCH_MATMUL",
        "CAST",
        "CONCATENATION",
        "CONV_2D",
        "CUMSUM",
        "DEPTHWISE_CONV_2D",
        "DEQUANTIZE",
        "DIV",
        "EXP",
        "FLOOR",
        "FULLY_CONNECTED",
        "GELU",
        "GREATER",
        "LOGISTIC",
        "MAXIMUM",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PAD",
        "POW",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "RESHAPE",
        "RSQRT",
        "SELECT",
        "SLICE",
        "SOFTMAX",
        "SQRT",
        "SQUARED_DIFFERENCE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
    }
)
"""Operators that image models convert to and TensorFlow 2.17's GPU delegate has a kernel for."""

_FIRST = ("CAST", "QUANTIZE")
_GPU_RANK = 4


@dataclass(frozen=True, kw_only=True)
class Lint:
    """What a file's structure says.

    Attributes:
        operators: Number of operators.
        partitions: Pieces that XNNPACK takes; 1 is all there should be.
        outside: Operators that XNNPACK leaves to plain kernels, besides the first one.
        gpu: Why a phone's GPU would not take the whole file, one sentence each; empty: it would.
    """

    operators: int
    partitions: int
    outside: tuple[str, ...]
    gpu: tuple[str, ...]

    def problem(self) -> str | None:
        """Why the file would run slowly on a processor, in words, or None."""
        if self.partitions != 1:
            return f"XNNPACK takes it in {self.partitions} pieces where 1 is expected"
        if self.outside:
            return f"XNNPACK does not take {', '.join(sorted(set(self.outside)))}"
        return None


def lint(graph: Graph, placement: Placement) -> Lint:
    """Look at a file's structure.

    Args:
        graph: The file's.
        placement: Where the interpreter runs its operators.
    """
    first = placement.outside[:1]
    outside = placement.outside[1:] if first and first[0] in _FIRST else placement.outside
    return Lint(
        operators=len(graph.operators),
        partitions=placement.partitions,
        outside=outside,
        gpu=tuple(gpu_findings(graph)),
    )


def stored_types(graph: Graph) -> dict[str, str]:
    """Stored type of every convolution's and linear's weight, by layer."""
    makers = graph.producers()
    found = {}
    for operator in graph.weighted():
        weight = int(operator.inputs[1])
        if weight in makers:  # stored small, expanded when the model is loaded
            if graph.kind(makers[weight]) != "DEQUANTIZE":
                continue  # a product of two activations
            weight = int(makers[weight].inputs[0])
        found[graph.name(weight).removesuffix(".weight")] = graph.dtype(weight)
    return found


def gpu_findings(graph: Graph) -> list[str]:
    """Why a GPU delegate would leave operators to the processor: one sentence for each reason."""
    return counted(reason for op in graph.operators for reason in _reasons(graph, op))


def _reasons(graph: Graph, op: Any) -> list[str]:
    kind = graph.kind(op)
    if kind not in GPU_OPERATORS:
        return [f"it has no {kind}"]
    computed = [int(t) for t in op.inputs if t >= 0 and not graph.is_constant(int(t))]
    ranks = [len(graph.shape(t)) for t in (*computed, *(int(t) for t in op.outputs))]
    found = []
    if any(rank > _GPU_RANK for rank in ranks):
        found.append(f"a {kind} has {max(ranks)} axes, {_GPU_RANK} at most are possible")
    if kind == "SLICE" and len(graph.shape(computed[0])) not in (3, 4):
        found.append(f"a SLICE has {len(graph.shape(computed[0]))} axes where 3 or 4 are possible")
    if kind == "ADD" and len({len(graph.shape(t)) for t in computed}) > 1:
        found.append("an ADD has operands of unequal ranks")
    if kind == "CAST" and computed[0] not in {int(t) for t in graph.main.inputs}:
        source, result = graph.dtype(computed[0]), graph.dtype(int(op.outputs[0]))
        if {source, result} & {"uint8", "int8"}:
            found.append(f"a CAST from {source} to {result}")
    return found
