"""Precisions of a .tflite: 16-bit weights, 8-bit weights, and integers throughout the tower.

ai-edge-quantizer writes the file; which numbers it writes is decided before. Its own calibration
averages the photos' extremes and knows nothing of channels that differ by a hundred, so the tower
is equalised and rounded in torch (`ralikit.export.quantise.int8`) and the quantiser is handed the
finished grids. The head (PCA and basis) stays in float: its scalar output would collapse, and it is
a thousandth of the work.
"""

from __future__ import annotations

import contextlib
import copy
import io
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ralikit.errors import ExportError
from ralikit.export.quantise.activation_grid import ActivationGrid, best_grid
from ralikit.export.quantise.equalising import WEIGHT_LEVELS, pixels_of
from ralikit.export.quantise.int8 import Int8Plan
from ralikit.export.targets.tflite.graph import CONVOLUTIONS, Graph
from ralikit.model.folded import Folded
from ralikit.quiet import quiet_natively
from ralikit.runtimes import Views

_TOWER = "tower."
_WEIGHTED = (*CONVOLUTIONS, "FULLY_CONNECTED")
_BIAS_LEVELS = 2.0**30
_INTEGER = (*_WEIGHTED, "ADD", "MEAN")


def half(graph: Graph) -> Graph:
    """Store the tower's weights as float16; the arithmetic is float32 (float16 on phones' GPUs)."""
    from ai_edge_quantizer import qtyping

    weight = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
    configs = dict.fromkeys(_WEIGHTED, _stored(weight))
    return _quantize(graph, "^tower[.]", configs, algorithm="float_casting")


def weights_only(graph: Graph) -> Graph:
    """Store the tower's weights as int8, a scale per output channel; the arithmetic is float32."""
    return _quantize(graph, "^tower[.]", dict.fromkeys(_WEIGHTED, _stored(_int8())))


def static(graph: Graph, plan: Int8Plan, calibration: Sequence[Views]) -> Graph:
    """Put a planned tower on integer kernels, from the pixels to the embedding.

    Args:
        graph: The converted float graph of `plan.folded`, its layers named.
        plan: The rounded weights and the grids, from `prepare_int8`.
        calibration: Views of the photos, for the grid of the embedding.

    Raises:
        ExportError: If a layer of the tower has no grid: it would have stayed in float.
    """
    from ai_edge_quantizer import qtyping

    layers = [n for op in graph.weighted() if (n := graph.name(op.outputs[0])).startswith(_TOWER)]
    grids = {_TOWER + name: grid for name, grid in plan.grids.items()}
    if layers:
        grids.setdefault(layers[-1], _embedding_grid(plan.folded, calibration))
    missing = sorted(set(layers) - set(grids))
    if missing or not layers:
        raise ExportError(f"int8 has no range for {', '.join(missing) or 'any layer'}")
    inner = "|".join(re.escape(name) for name in sorted(grids))
    grids[graph.name(next(graph.weighted()).inputs[0])] = plan.pixels
    ranges = {name: _range(grid) for name, grid in grids.items()}
    for op in graph.weighted():
        if graph.name(op.outputs[0]) in grids:
            step = grids[graph.name(op.inputs[0])].step
            ranges[graph.name(op.inputs[1])] = _weight_range(graph, op, step)
    config = qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(num_bits=8, symmetric=False),
        weight_tensor_config=_int8(),
        compute_precision=qtyping.ComputePrecision.INTEGER,
        explicit_dequantize=False,
    )
    result = _quantize(
        graph,
        f"^({inner});?$",
        dict.fromkeys(_INTEGER, config),
        ranges=ranges,
    )
    _read_pixels(result, plan.pixels)
    return result


def _range(grid: ActivationGrid) -> dict[str, Any]:
    return {"min": np.array([[grid.low]]), "max": np.array([[grid.high]])}


def _weight_range(graph: Graph, op: Any, step: float) -> dict[str, Any]:
    # A bias is stored in units of its weight's step times its input's. A dead channel's weights are
    # so small that its bias would leave int32 in them: it gets larger steps.
    weight, bias = graph.constant(int(op.inputs[1])), graph.constant(int(op.inputs[2]))
    if weight is None or bias is None:
        raise ExportError(f"int8 needs weights and a bias in {graph.name(op.outputs[0])}")
    depthwise = graph.kind(op) == "DEPTHWISE_CONV_2D"
    axes = tuple(range(weight.ndim - 1)) if depthwise else tuple(range(1, weight.ndim))
    peak = np.abs(weight).max(axis=axes, keepdims=True)
    least = WEIGHT_LEVELS * np.abs(bias) / (step * _BIAS_LEVELS)
    peak = np.maximum(peak, least.reshape(peak.shape))
    return {"min": -peak, "max": peak}


def _embedding_grid(scorer: Folded, calibration: Sequence[Views]) -> ActivationGrid:
    with torch.inference_mode():
        seen = [scorer.tower(pixels_of(scorer, views)).numpy() for views in calibration]
    return best_grid(np.concatenate(seen))


def _read_pixels(graph: Graph, grid: ActivationGrid) -> None:
    # The photo's bytes are the first layer's input already, but for int8's offset of 128: the cast
    # to float, the scaling and the rounding before it become one change of type.
    first = next(graph.weighted())
    rounding = graph.producers()[int(first.inputs[0])]
    image = int(graph.main.inputs[0])
    quantized = graph.main.tensors[int(rounding.outputs[0])].quantization
    if not (
        np.isclose(quantized.scale[0], grid.step) and quantized.zeroPoint[0] == grid.zero - 128
    ):
        raise ExportError("the quantiser gave the pixels another grid than planned")
    own = copy.deepcopy(quantized)
    own.zeroPoint = [grid.zero]
    graph.main.tensors[image].quantization = own
    rounding.inputs = [image]
    graph.prune()


def _int8() -> Any:
    from ai_edge_quantizer import qtyping

    return qtyping.TensorQuantizationConfig(
        num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
    )


def _stored(weight: Any) -> Any:
    # Small in the file, expanded to float once when the model is loaded.
    from ai_edge_quantizer import qtyping

    return qtyping.OpQuantizationConfig(
        weight_tensor_config=weight,
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )


def _quantize(
    graph: Graph,
    outputs: str,
    configs: dict[str, Any],
    *,
    algorithm: str = "min_max_uniform_quantize",
    ranges: dict[str, Any] | None = None,
) -> Graph:
    # `outputs` is matched against operators' output names; `ranges` are by tensor name.
    from ai_edge_quantizer import qtyping, quantizer

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet_natively():
        warnings.simplefilter("ignore")  # of memory: it looks at tensors on purpose
        worker = quantizer.Quantizer(graph.pack())
        for kind, config in configs.items():
            worker.update_quantization_recipe(
                outputs, qtyping.TFLOperationName(kind), config, algorithm
            )
        done = worker.quantize(
            calibration_result=ranges, enable_progress_bar=False, enable_progress_report=False
        )
    return Graph(bytes(done.quantized_model))
