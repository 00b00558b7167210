"""Find the model's layers in a converted graph, by their weights, and name tensors after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from ralikit.errors import ExportError
from ralikit.export.targets.tflite.graph import CONVOLUTIONS, Array, Graph


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer is recognised by.

    Attributes:
        weight: As torch stores it: (O, I, h, w), (C, 1, h, w) or (O, I).
        bias: (O,), or None.
    """

    weight: Array
    bias: Array | None = None


def layers_of(module: nn.Module) -> dict[str, Layer]:
    """A module's convolutions and linear layers, by name."""
    return {
        name: Layer(
            child.weight.detach().numpy(),
            None if child.bias is None else child.bias.detach().numpy(),
        )
        for name, child in module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    }


def name_layers(graph: Graph, layers: Mapping[str, Layer]) -> None:
    """Name tensors as the model names its layers; whatever no layer owns gets a number.

    A layer is recognised by its weights, not by the order or the converter's spelling; among layers
    of equal weights by its bias, and where that is equal too by the order. The output of layer
    ``tower.stem`` is then called ``tower.stem``, its constants ``tower.stem.weight`` and
    ``tower.stem.bias``; a sum and a mean are called after what goes into them, ``.add``, ``.mean``.

    Args:
        graph: A converted float model.
        layers: The model's layers, by name.

    Raises:
        ExportError: If a layer is not in the graph: folded away, merged with another, or changed.
    """
    left = {name: (_as_stored(layer.weight), layer.bias) for name, layer in layers.items()}
    names = {int(t): "image" for t in graph.main.inputs}
    for number, op in enumerate(graph.operators):
        output = int(op.outputs[0])
        kind, sources = graph.kind(op), [names.get(int(t), "") for t in op.inputs]
        name = f"{kind.lower()}.{number}"
        if kind in (*CONVOLUTIONS, "FULLY_CONNECTED"):
            constants = [graph.constant(int(t)) for t in op.inputs[1:]]
            owner = _owner(left, *constants[:2])
            if owner is not None:
                name = owner
                del left[owner]
            for tensor, part in zip(op.inputs[1:], ("weight", "bias"), strict=False):
                if tensor >= 0:
                    names[int(tensor)] = f"{name}.{part}"
        elif kind == "ADD" and sources[-1] in layers:
            name = f"{sources[-1]}.add"
        elif kind == "ADD" and sources[0] in layers:
            name = f"{sources[0]}.add"
        elif kind == "MEAN" and sources[0] in layers:
            name = f"{sources[0]}.mean"
        names[output] = name
    if left:
        raise ExportError(
            f"layer {next(iter(left))} is not in the converted graph: the converter changed its "
            f"weights or merged it with another ({len(left)} of {len(layers)} layers missing)"
        )
    owned = {int(op.outputs[0]) for op in graph.weighted() if names[int(op.outputs[0])] in layers}
    # An output that is a layer's own goes by the layer.
    names |= {t: name for name, t in graph.outputs().items() if t not in owned}
    for index, entry in enumerate(graph.main.tensors):
        entry.name = names.get(index, f"constant.{index}").encode()


def _owner(
    left: Mapping[str, tuple[Array, Array | None]],
    weight: Array | None,
    bias: Array | None = None,
) -> str | None:
    if weight is None:
        return None
    same = [name for name, (wanted, _) in left.items() if _equal(wanted, weight)]
    alike = [name for name in same if _equal_bias(left[name][1], bias)]
    return next(iter(alike or same), None)


def _as_stored(weight: Array) -> Array:
    if weight.ndim != 4:
        return weight
    # (O, I, h, w) -> (O, h, w, I); depthwise (C, 1, h, w) -> (1, h, w, C).
    return weight.transpose((1, 2, 3, 0) if weight.shape[1] == 1 else (0, 2, 3, 1))


def _equal(weight: Array, stored: Array) -> bool:
    # The first row tells most apart without reading all.
    return (
        weight.shape == stored.shape
        and np.array_equal(weight[0], stored[0])
        and np.array_equal(weight, stored)
    )


def _equal_bias(bias: Array | None, stored: Array | None) -> bool:
    # The converter gives a convolution without a bias one of zeros.
    if bias is None or stored is None:
        return not any(b is not None and b.any() for b in (bias, stored))
    return np.array_equal(bias, stored.reshape(-1))
