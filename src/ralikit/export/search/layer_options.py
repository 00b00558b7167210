"""What every layer can be stored as on a target, what that costs, and what it does to the score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ralikit.export.gate.gate import Gate
from ralikit.export.quantise import layer_types
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.hooks import Layer, run_hooked
from ralikit.export.quantise.int8 import round_weight
from ralikit.export.quantise.smoothing import Activations, round_between
from ralikit.export.quantise.weight_grids import Grid, linear_grid, nearest
from ralikit.export.search.frontier import Option
from ralikit.export.search.sensitivity import Candidate, Rounding, sensitivities
from ralikit.export.targets.target import Target
from ralikit.model.folded import FoldedScorer
from ralikit.progress import Tell

PHOTOS = 32
PHOTOS_LARGE = 8
"""Photos that slopes are taken on; each costs a forward and a backward pass."""

_INT4_BLOCK = 32
_FLOAT = 1.0
# Time against float in the same runtime, x86 with VNNI: that of whole files of ViT-L/14-336, which
# linear layers make up nearly all of (benchmarks/results/vitl-host-final.jsonl). Weight-only types
# compute in float. Core ML's are not measured off a device: there a smaller weight counts as a
# faster one, because the neural engine waits for weights.
_TIMES = {
    "onnx": {"int8": 0.29, "int4": 0.72},
    "tflite": {"int8": 0.36, "int4": 0.36},
}


def layer_options(
    gate: Gate, target: Target, *, tell: Tell | None = None
) -> dict[str, list[Option]]:
    """The options of every layer that a target can store small.

    Args:
        gate: The graph and its calibration photos.
        target: Where the file shall run.
        tell: Told the stage and the share done.
    """
    graph, calibration = gate.graph, gate.calibration.views
    activations: Activations | None = getattr(target, "ACTIVATIONS", None)
    if graph.tower.arithmetic == "static":
        activations = None
    base = (
        graph if target.NAME == "coreml" else layer_types.evened(graph, calibration, activations)[0]
    )
    layers = small_layers(base, target)
    if target.NAME == "coreml":
        kinds = _coreml_kinds(layers)
    else:
        kinds = _kinds(layers, target, activations, int4="int4" in layer_types.known_types(base))
    candidates = {
        name: {k: kind.make(layer.weight.detach()) for k, kind in kinds[name].items()}
        for name, layer in layers.items()
    }
    photos = calibration[: PHOTOS_LARGE if gate.large else PHOTOS]
    shifts = sensitivities(base, photos, candidates, tell=tell)
    work = _multiplications(base, list(layers), gate)
    options: dict[str, list[Option]] = {}
    for name, layer in layers.items():
        size = 2 * layer.weight.numel()
        untouched = Option(kind="float16", size=size, time=work[name], shifts=np.zeros(len(photos)))
        options[name] = [
            untouched,
            *(
                Option(kind=k, size=kind.size, time=work[name] * kind.time, shifts=shifts[name][k])
                for k, kind in kinds[name].items()
            ),
        ]
    return options


@dataclass(frozen=True, eq=False)
class _Kind:
    # One type of one layer: what it makes of the weight, its bytes, its time against float.
    make: Callable[[Tensor], Candidate]
    size: int
    time: float


def small_layers(graph: FoldedScorer, target: Target) -> dict[str, Layer]:
    """The layers a target stores small, by name."""
    if target.NAME != "coreml":
        return layer_types.small_layers(graph)
    from ralikit.export.targets.coreml.schemes import chosen_layers

    return {f"tower.{name}": layer for name, layer in chosen_layers(graph.tower).items()}


def _coreml_kinds(layers: Mapping[str, Layer]) -> dict[str, dict[str, _Kind]]:
    from ralikit.export.targets.coreml.compress import scheme_grid
    from ralikit.export.targets.coreml.schemes import BY_TYPE

    found: dict[str, dict[str, _Kind]] = {}
    for name, layer in layers.items():
        shape = layer.weight.flatten(1).shape
        found[name] = {}
        for kind, scheme in BY_TYPE.items():
            if scheme.fits(*shape):
                size = scheme.size(*shape)
                make = _on_grid(partial(scheme_grid, scheme=scheme, name=name))
                found[name][kind] = _Kind(make, size, size / (2 * layer.weight.numel()))
    return found


def _kinds(
    layers: Mapping[str, Layer], target: Target, activations: Activations | None, *, int4: bool
) -> dict[str, dict[str, _Kind]]:
    times = _TIMES[target.NAME] if activations is not None else {}
    inputs = _dynamic(activations) if activations is not None else None
    found: dict[str, dict[str, _Kind]] = {}
    for name, layer in layers.items():
        rows, count = len(layer.weight), layer.weight.numel()
        found[name] = {"int8": _Kind(_int8(inputs), count + 4 * rows, times.get("int8", _FLOAT))}
        if int4:
            make = _on_grid(lambda w: linear_grid(w, bits=4, block=_INT4_BLOCK))
            size = math.ceil(count / 2) + count // _INT4_BLOCK * 4
            found[name]["int4"] = _Kind(make, size, times.get("int4", _FLOAT))
    return found


def _on_grid(make: Callable[[Tensor], Grid]) -> Callable[[Tensor], Candidate]:
    def candidate(weight: Tensor) -> Candidate:
        flat = weight.detach().flatten(1)
        grid = make(flat)
        codes = nearest(flat, grid)
        values = torch.stack([grid.values(codes[:, i], i) for i in range(flat.shape[1])], dim=1)
        return Candidate((values - flat).view_as(weight).half())

    return candidate


def _int8(inputs: Rounding | None) -> Callable[[Tensor], Candidate]:
    def candidate(weight: Tensor) -> Candidate:
        return Candidate((round_weight(weight.detach()) - weight.detach()).half(), inputs)

    return candidate


def _dynamic(activations: Activations) -> Rounding:
    def rounded(x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        over = (0, 1) if activations == "tensor" else (1,)
        low, high = rows.amin(over, keepdim=True), rows.amax(over, keepdim=True)
        return round_between(rows, low, high).view_as(x)

    return rounded


def _multiplications(graph: FoldedScorer, names: list[str], gate: Gate) -> dict[str, float]:
    # How often each layer's weights are used on a photo, times their number.
    counts: dict[str, float] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            places = output.numel() / len(module.weight)
            counts[name] = places * module.weight.numel()

        return hook

    handles = [graph.get_submodule(n).register_forward_hook(count(n)) for n in names]
    with torch.inference_mode():
        run_hooked(graph.tower, pixels_of(graph, gate.calibration.views[0]), handles)
    return counts
