"""A tower's weights in several types: which layer gets which, and the values they then have.

Of a transformer only the encoder's linear layers are stored small; the patch convolution, the
position embedding, the projection and the head stay float32: together a fortieth of the weights,
and errors there reach every token or are the last thing before the score. int8 activations are
dynamic: their scale comes with every photo. Layers whose output int8 would still spoil after
smoothing keep float16 weights and float arithmetic.

A convolutional tower takes part with its weights alone: float16 or int8, layer by layer, arithmetic
in float. (Its int8 arithmetic is planned as a whole, in `ralikit.export.quantise.int8`.)
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ralikit.errors import ExportError
from ralikit.export.cache import cached
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.hooks import Layer, is_matrix, round_in_step
from ralikit.export.quantise.int8 import round_weight, weight_steps
from ralikit.export.quantise.moments import Factors
from ralikit.export.quantise.smoothing import Activations, Place, Smoothing, divide, smooth, watch
from ralikit.export.quantise.weight_grids import compensated, int8_grid, linear_grid
from ralikit.model.folded import FoldedScorer
from ralikit.runtimes import Views

PRECISIONS = ("int8", "int8-weights", "int4")
"""Precisions that store a transformer's encoder small."""

SPOILT = 0.15
"""Relative error of its output from which a layer is not computed in int8."""

_BATCH_BYTES = 0.9e9
_LARGE = 50e6


@dataclass(frozen=True, eq=False)
class Mixed:
    """What a target stores.

    Attributes:
        graph: The scorer with its channels evened out and its weights on their grids.
        types: Stored type of every layer, by its name in the scorer.
        steps: Steps of int4 weights, (C_out, blocks), by the same name; int8 weights have
            ``max |w| / 127`` of every output channel.
        errors: Relative error of each encoder layer's output in int8, by its name.
    """

    graph: FoldedScorer
    types: dict[str, str]
    steps: dict[str, Tensor]
    errors: dict[str, float]


_SMOOTHED: WeakKeyDictionary[FoldedScorer, dict[Activations, tuple[Sequence[Views], Smoothing]]] = (
    WeakKeyDictionary()
)


_SEEN: WeakKeyDictionary[FoldedScorer, tuple[Sequence[Views], list[Place]]] = WeakKeyDictionary()


def weighted(graph: FoldedScorer) -> dict[str, Layer]:
    """Every convolution and linear layer, by its name in the scorer."""
    return {
        name: module
        for name, module in graph.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


def small_layers(graph: FoldedScorer) -> dict[str, Layer]:
    """Layers that can be stored small, by their names in the scorer.

    A transformer's encoder, or all of a convolutional tower.
    """
    return {f"tower.{name}": layer for name, layer in graph.tower.small_layers().items()}


def known_types(graph: FoldedScorer) -> tuple[str, ...]:
    """Types that a small layer of this scorer can be stored in."""
    return ("float32", *graph.tower.small_types)


def uniform_types(graph: FoldedScorer, stored: str) -> dict[str, str]:
    """Every small layer in one type, everything else float32."""
    return dict.fromkeys(weighted(graph), "float32") | dict.fromkeys(small_layers(graph), stored)


def int8_types(
    graph: FoldedScorer, calibration: Sequence[Views], *, activations: Activations = "tensor"
) -> dict[str, str]:
    """int8 for every encoder layer whose output survives it, float16 for the others.

    Args:
        graph: From `ralikit.model.rewrite.lean`.
        calibration: Views of photos, each (V, S, S, 3) uint8.
        activations: What shares a scale where the file runs.

    Raises:
        ExportError: If there are no photos, or int8 would spoil every layer.
    """
    types = uniform_types(graph, "int8")
    errors = evening(graph, calibration, activations)[1]
    spoilt = {n for n, e in errors.items() if e > SPOILT}
    if len(spoilt) == len(small_layers(graph)):
        raise ExportError(
            "int8 would spoil every layer of this tower on these photos: export it as fp16"
        )
    return types | dict.fromkeys(spoilt, "float16")


def prepare_mixed(
    graph: FoldedScorer,
    types: Mapping[str, str],
    calibration: Sequence[Views],
    *,
    int4_block: int | None = 32,
    activations: Activations | None = "tensor",
) -> Mixed:
    """Even out channels, then put weights on the grids of their types, layer after layer.

    int4 weights go where GPTQ puts them (Frantar et al. 2022, section 3), and so do int8 matrices
    where arithmetic stays float. Where it does not, int8 weights go to their nearest value: GPTQ
    takes minutes there, and did not bring scores closer (docs/export.md). Biases take the mean
    error that is left (Nagel et al. 2019, section 4.2).

    Args:
        graph: From `ralikit.model.rewrite.lean`; it is not changed.
        types: Stored type of every layer by its name in the scorer: float32, float16, int8, int4.
        calibration: Views of photos, each (V, S, S, 3) uint8.
        int4_block: Inputs that share a step of an int4 weight; None: all of an output's.
        activations: What shares a scale where the file runs; None: activations stay float, and
            channels as they are.

    Raises:
        ExportError: If a type is unknown, there are no photos, or blocks do not divide a layer.
    """
    layers = small_layers(graph)
    for name, kind in types.items():
        known = known_types(graph) if name in layers else ("float32", "float16")
        if kind not in known:
            raise ExportError(f"layer {name} cannot be stored as {kind}: {', '.join(known)}")
    rounded, errors = evened(graph, calibration, activations)
    steps: dict[str, Tensor] = {}
    small = {n: types.get(n, "float32") for n in layers if types.get(n) in ("int8", "int4")}
    if small:
        _round_in_step(rounded, small, calibration, int4_block, steps, activations)
    return Mixed(graph=rounded, types=dict(types), steps=steps, errors=errors)


def evened(
    graph: FoldedScorer, calibration: Sequence[Views], activations: Activations | None
) -> tuple[FoldedScorer, dict[str, float]]:
    """A copy with its channels evened out for a kind of arithmetic, and int8's errors by layer.

    Args:
        graph: From `ralikit.model.rewrite.lean`; it is not changed.
        calibration: Views of photos, each (V, S, S, 3) uint8.
        activations: What shares a scale where the file runs; None: activations stay float, and the
            copy is a plain one.

    Raises:
        ExportError: If there are no photos, or int8 activations are asked of a convolutional tower.
    """
    even = copy.deepcopy(graph)
    if activations is None:
        return even, {}
    scales, errors = evening(graph, calibration, activations)
    divide(even, scales)
    return even, errors


def evening(
    graph: FoldedScorer, calibration: Sequence[Views], activations: Activations
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """What channels are divided by, by place, and int8's errors by layer name in the scorer.

    ONNX and TFLite of one export share it, as long as the graph lives.

    Raises:
        ExportError: If there are no photos, or the tower is no transformer.
    """
    if graph.tower.arithmetic == "static":
        raise ExportError(f"a {graph.tower.kind} tower is not a transformer")
    kept = _SMOOTHED.setdefault(graph, {})
    if activations not in kept or kept[activations][0] is not calibration:
        kept[activations] = (calibration, _worked_out(graph, calibration, activations))
    found = kept[activations][1]
    return found.scales, {f"tower.{name}": error for name, error in found.errors.items()}


def _watched(graph: FoldedScorer, calibration: Sequence[Views]) -> list[Place]:
    # One pass over the photos serves every kind of arithmetic.
    kept = _SEEN.get(graph)
    if kept is None or kept[0] is not calibration:
        kept = _SEEN[graph] = (calibration, watch(graph, calibration))
    return kept[1]


def _worked_out(
    graph: FoldedScorer, calibration: Sequence[Views], activations: Activations
) -> Smoothing:
    def make() -> dict[str, NDArray[np.float64]]:
        seen = _watched(graph, calibration)
        found = smooth(copy.deepcopy(graph), seen, activations=activations)
        arrays = {f"scale/{name}": s.numpy() for name, s in found.scales.items()}
        return arrays | {f"error/{name}": np.array(e) for name, e in found.errors.items()}

    if sum(p.numel() for p in graph.parameters()) < _LARGE:
        made = make()
    else:  # minutes: an export that was interrupted goes on from here
        parts = {"graph": _digest(graph), "photos": _digest(calibration)}
        made = cached("smoothing", {**parts, "activations": activations}, make)
    return Smoothing(
        scales={n[6:]: torch.from_numpy(a) for n, a in made.items() if n.startswith("scale/")},
        errors={n[6:]: float(a) for n, a in made.items() if n.startswith("error/")},
    )


def _digest(of: FoldedScorer | Sequence[Views]) -> str:
    arrays = [p.detach().numpy() for p in of.parameters()] if isinstance(of, nn.Module) else of
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _round_in_step(
    graph: FoldedScorer,
    small: Mapping[str, str],
    calibration: Sequence[Views],
    block: int | None,
    steps: dict[str, Tensor],
    activations: Activations | None,
) -> None:
    layers = small_layers(graph)
    exact = activations is None
    # A transformer's means, all that integer arithmetic takes from photos, are known from fewer of
    # them than GPTQ's second moments.
    few = graph.tower.arithmetic == "dynamic" and "int4" not in small.values()
    pixels = pixels_of(graph, _views(graph, calibration, 0.5 if few else 1.0))

    factors = Factors()

    def choose(name: str, module: Layer, inputs: Tensor) -> None:
        if small[name] == "int4":
            factor = factors.of(inputs)
            module.weight.copy_(_int4(name, module.weight, factor, block, steps))
        elif exact and is_matrix(module):
            flat = module.weight.flatten(1)
            own = weight_steps(flat)
            codes = compensated(flat, int8_grid(flat, own), factor=factors.of(inputs))
            module.weight.copy_((codes.float() * own[:, None]).view_as(module.weight))
        else:
            module.weight.copy_(round_weight(module.weight))

    round_in_step(graph.tower, {name: layers[name] for name in small}, pixels, choose)


def _int4(
    name: str,
    weight: Tensor,
    factor: tuple[Tensor, Tensor],
    block: int | None,
    steps: dict[str, Tensor],
) -> Tensor:
    if block is not None and weight.shape[1] % block:
        raise ExportError(f"int4 blocks of {block} do not divide the {weight.shape[1]} of {name}")
    grid = linear_grid(weight, bits=4, block=block)
    codes = compensated(weight, grid, factor=factor)
    steps[name] = grid.steps.float()
    wide = steps[name].repeat_interleave(weight.shape[1] // steps[name].shape[1], dim=1)
    return codes.to(weight.dtype) * wide


def _views(graph: FoldedScorer, calibration: Sequence[Views], share: float) -> Views:
    # As many photos at once as their widest tensors fit in memory, or a share of those; one view
    # of each.
    floats = graph.tower.live_numbers(int(np.prod(calibration[0].shape[1:3])))
    count = max(1, int(share * _BATCH_BYTES / (4 * floats)))
    return np.stack([v[i % len(v)] for i, v in enumerate(calibration[:count])])
