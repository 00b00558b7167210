"""A .tflite whose layers have types of their own: which is stored how, from rounding to bytes.

A transformer's int8 and int4 are dynamic: XNNPACK rounds each token's activations to 8 bits with a
scale of their own while it runs, and multiplies whole numbers. NPUs need ranges that are fixed
(`ralikit.export.targets.tflite.static`). Everything but the encoder's linear layers stays
float32. A convolutional tower's layers are only stored small, where ``auto`` mixes them; its int8
arithmetic is planned as a whole (`ralikit.export.targets.tflite.quant.static`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ralikit.errors import ExportError
from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.smoothing import Activations
from ralikit.export.quantise.static import StaticPlan
from ralikit.export.targets.target import Request
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.static import store_static
from ralikit.export.targets.tflite.store import store, store_positions, stored_codes

BLOCK: int | None = None
"""Inputs that share a step of an int4 weight; None: all of an output channel's."""

ACTIVATIONS: Activations = "token"
"""What shares a dynamic scale in a transformer's int8: XNNPACK rounds every token by itself."""

_TOLERANCE = 1e-6


def rounded(request: Request, types: Mapping[str, str]) -> typed_layers.Mixed:
    """The scorer whose weights lie on the grids of their types.

    Raises:
        ExportError: If there are no photos, or a type is unknown.
    """
    if not set(types.values()) & {"int8", "int4"}:
        return typed_layers.Mixed(folded=request.folded, types=dict(types), steps={}, errors={})
    return layer_types.prepare_mixed(
        request.bench,
        types,
        int4_block=BLOCK,
        activations=ACTIVATIONS if computes(request) else None,
    )


def computes(request: Request) -> bool:
    """Whether integer layers compute with integers, or are only stored as such."""
    dynamic = request.folded.tower.arithmetic == "dynamic"
    return dynamic and request.precision != "int8-weights"


def write(graph: Graph, plan: typed_layers.Mixed, *, dynamic: bool) -> None:
    """Store a converted float graph's layers as planned, and check every code against the plan.

    Args:
        graph: The converted `plan.folded`, its layers named; changed in place.
        plan: From `rounded`.
        dynamic: Whether integer layers compute with integers.

    Raises:
        ExportError: If a layer lies off its grid or is stored otherwise than planned.
    """
    steps = {name: value.numpy() for name, value in plan.steps.items()}
    store(graph, plan.types, steps=steps, dynamic=dynamic)
    of_transformer = plan.folded.tower.arithmetic == "dynamic"
    if of_transformer and set(plan.types.values()) != {"float32"}:
        store_positions(graph)
    check_codes(graph, plan)


def write_static(graph: Graph, plan: StaticPlan) -> None:
    """Store a converted float graph's layers with fixed ranges, and check every code.

    Args:
        graph: The converted `plan.mixed.folded`, its layers named; changed in place.
        plan: From `ralikit.export.quantise.static.prepare_static`.

    Raises:
        ExportError: If a layer lies off its grid or is stored otherwise than planned.
    """
    store_static(graph, plan)
    store_positions(graph)
    check_codes(graph, plan.mixed)


def check_codes(graph: Graph, plan: typed_layers.Mixed) -> None:
    """Compare every stored integer weight with the planned one.

    Raises:
        ExportError: If a stored weight stands for other values.
    """
    modules = dict(plan.folded.named_modules())
    for tensor in range(len(graph.main.tensors)):
        name = graph.name(tensor).removesuffix(".weight")
        kind = plan.types.get(name)
        if kind not in ("int8", "int4") or graph.dtype(tensor) != kind:
            continue
        weight = modules[name].weight.detach().numpy()
        if weight.ndim == 4:
            weight = weight.transpose(0, 2, 3, 1)
        wanted = weight.reshape(len(weight), -1)
        found = stored_codes(graph, tensor).expanded()
        if not np.allclose(found, wanted, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(wanted).max()):
            raise ExportError(f"layer {name} is stored as other weights than planned")
