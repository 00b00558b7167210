"""What every layer can be stored as on a target, what that costs, and what it does to the score."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ralikit.export import mixed
from ralikit.export.auto import Option
from ralikit.export.coreml_grids import Grid, linear_grid, nearest, palette_grid
from ralikit.export.coreml_schemes import divisor
from ralikit.export.equalise import pixels_of
from ralikit.export.gate import Gate, Tell
from ralikit.export.graph import FoldedScorer
from ralikit.export.lean import is_transformer
from ralikit.export.rounding import round_weight
from ralikit.export.sensitivity import Candidate, Rounding, sensitivities
from ralikit.export.smooth import Activations, round_between
from ralikit.export.target import Target

PHOTOS = 32
PHOTOS_LARGE = 8
"""Photos that slopes are taken on; each costs a forward and a backward pass."""

_INT4_BLOCK = 32
_PALETTE_GROUP = 16
_FLOAT = 1.0
# Time of a linear layer against float, one x86 core with VNNI: measured at ViT-L/14-336 for the
# dynamic int8 and int4 kernels of each runtime (benchmarks/results). Weight-only types compute in
# float. Core ML's are not measured off a device: there a smaller weight counts as a faster one,
# because the neural engine waits for weights.
_TIMES = {
    "onnx": {"int8": 0.36, "int4": 0.92},
    "tflite": {"int8": 0.35, "int4": 0.42},
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
    if not is_transformer(graph.tower):
        activations = None
    base = graph if target.NAME == "coreml" else mixed.evened(graph, calibration, activations)[0]
    makers = _makers(base, target, activations)
    layers = small_layers(base, target)
    candidates = {
        name: {kind: make(layer.weight) for kind, make in makers.items()}
        for name, layer in layers.items()
    }
    photos = calibration[: PHOTOS_LARGE if gate.large else PHOTOS]
    shifts = sensitivities(base, photos, candidates, tell=tell)
    work = _multiplications(base, list(layers), gate)
    none = np.zeros(len(photos))
    options: dict[str, list[Option]] = {}
    for name, layer in layers.items():
        rows, count = len(layer.weight), layer.weight.numel()
        kinds = [("float16", none), *shifts[name].items()]
        options[name] = [
            Option(
                kind=kind,
                size=_bytes(kind, rows, count),
                time=work[name] * _time(target.NAME, kind, activations),
                shifts=shift,
            )
            for kind, shift in kinds
        ]
    return options


def small_layers(graph: FoldedScorer, target: Target) -> dict[str, mixed.Layer]:
    """The layers a target stores small, by name."""
    if target.NAME != "coreml":
        return mixed.small_layers(graph)
    from ralikit.export.coreml_schemes import chosen_layers

    return {f"tower.{name}": layer for name, layer in chosen_layers(graph.tower).items()}


def _makers(
    graph: FoldedScorer, target: Target, activations: Activations | None
) -> dict[str, Callable[[Tensor], Candidate]]:
    if target.NAME == "coreml":
        grids: dict[str, Callable[[Tensor], Grid]] = {
            "int8": lambda w: linear_grid(w, bits=8, block=None),
            "pal6": lambda w: palette_grid(w, bits=6, group=None),
            "pal4": lambda w: palette_grid(w, bits=4, group=divisor(len(w), _PALETTE_GROUP)),
            "int4": lambda w: linear_grid(w, bits=4, block=divisor(w.shape[1], _INT4_BLOCK)),
        }
        return {kind: _on_grid(grid) for kind, grid in grids.items()}
    inputs = _dynamic(activations) if activations is not None else None
    makers = {"int8": _int8(inputs)}
    if "int4" in mixed.known_types(graph):
        makers["int4"] = _on_grid(lambda w: linear_grid(w, bits=4, block=_INT4_BLOCK))
    return makers


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


def _time(target: str, kind: str, activations: Activations | None) -> float:
    if target == "coreml":
        return _bytes(kind, 1, 10**6) / _bytes("float16", 1, 10**6)
    return _TIMES[target].get(kind, _FLOAT) if activations is not None else _FLOAT


def _bytes(kind: str, rows: int, count: int) -> int:
    # Weights, and the scales or palettes that belong to them.
    if kind.startswith("pal"):
        bits = int(kind[3:])
        palettes = 1 if bits == 6 else math.ceil(rows / _PALETTE_GROUP)
        return math.ceil(count * bits / 8) + palettes * 2 * (1 << bits)
    if kind == "int4":
        return math.ceil(count / 2) + count // _INT4_BLOCK * 4
    return count + 4 * rows if kind == "int8" else 2 * count


def _multiplications(graph: FoldedScorer, names: list[str], gate: Gate) -> dict[str, float]:
    # How often each layer's weights are used on a photo, times their number.
    counts: dict[str, float] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(module: mixed.Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            places = output.numel() / len(module.weight)
            counts[name] = places * module.weight.numel()

        return hook

    handles = [graph.get_submodule(n).register_forward_hook(count(n)) for n in names]
    try:
        with torch.inference_mode():
            graph.tower(pixels_of(graph, gate.calibration.views[0]))
    finally:
        for handle in handles:
            handle.remove()
    return counts
