"""Exact rewrites of a converted graph: what the converter leaves in NCHW, or takes apart.

The converter keeps convolutions in NHWC but leaves a transpose on either side of what it does not
know to move: a zero padding before the first convolution, a mean after the last, a transformer's
patches. Each costs a pass over memory, outside the integer kernels where there are any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ralikit.export.targets.tflite.graph import CONVOLUTIONS, SAME, VALID, Graph


def tidy(graph: Graph) -> None:
    """Rewrite what the converter left in NCHW; scores do not change.

    ``TRANSPOSE, PAD, TRANSPOSE back`` becomes one PAD, a PAD that is SAME padding goes into its
    convolution, and ``TRANSPOSE, MEAN`` becomes a MEAN over the original axes. The patches of a
    transformer, ``TRANSPOSE, RESHAPE, TRANSPOSE``, are one RESHAPE; ``MEAN, ADD, RESHAPE``, from
    which an axis was taken to be given back, becomes a MEAN that keeps it and an ADD.
    """
    for op in list(graph.operators):
        if graph.kind(op) == "PAD":
            _pad_in_place(graph, op)
        elif graph.kind(op) == "MEAN":
            _mean_in_place(graph, op)
            _mean_kept(graph, op)
        elif graph.kind(op) == "RESHAPE":
            _rows_in_place(graph, op)
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


def _mean_kept(graph: Graph, mean: Any) -> None:
    # MEAN (n,), ADD a constant (n,), RESHAPE (n, 1): the constant's rank must be the mean's for a
    # phone's GPU, and the reshape is an operator for nothing.
    readers = graph.consumers().get(mean.outputs[0], [])
    axes = graph.constant(mean.inputs[1])
    if len(readers) != 1 or graph.kind(readers[0]) != "ADD" or axes is None:
        return
    add = readers[0]
    after = graph.consumers().get(add.outputs[0], [])
    amount = graph.constant(add.inputs[1])
    if len(after) != 1 or graph.kind(after[0]) != "RESHAPE" or amount is None or amount.size != 1:
        return
    rank = len(graph.shape(mean.inputs[0]))
    kept = [
        1 if axis in {int(a) % rank for a in np.ravel(axes)} else extent
        for axis, extent in enumerate(graph.shape(mean.inputs[0]))
    ]
    if mean.builtinOptions.keepDims or list(graph.shape(after[0].outputs[0])) != kept:
        return
    mean.builtinOptions.keepDims = True
    graph.set_shape(int(mean.outputs[0]), kept)
    constant = graph.add_constant("ralikit/amount", amount.reshape([1] * rank))
    add.inputs = [add.inputs[0], constant]
    add.outputs = [after[0].outputs[0]]
    graph.operators.remove(after[0])


def _rows_in_place(graph: Graph, reshape: Any) -> None:
    # (B, h, w, C) -> (B, C, h, w) -> (B, C, h w) -> (B, h w, C) is one reshape, the last one's.
    before = graph.producers().get(reshape.inputs[0])
    readers = graph.consumers().get(reshape.outputs[0], [])
    if len(readers) != 1 or _permutation(graph, before) != [0, 3, 1, 2] or before is None:
        return
    if _permutation(graph, readers[0]) != [0, 2, 1]:
        return
    batch, height, width, channels = graph.shape(before.inputs[0])
    if graph.shape(reshape.outputs[0]) != (batch, channels, height * width):
        return
    shape = np.array([batch, height * width, channels], dtype=np.int32)
    reshape.inputs = [before.inputs[0], graph.add_constant("ralikit/rows", shape)]
    reshape.outputs = [readers[0].outputs[0]]
    if reshape.builtinOptions is not None:
        reshape.builtinOptions.newShape = shape.tolist()
    graph.operators.remove(readers[0])


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
