"""What a layer can be stored as: what that makes of its weight, its bytes, its time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.hooks import Layer
from ralikit.export.quantise.int8 import round_weight
from ralikit.export.quantise.smoothing import Activations, round_between
from ralikit.export.quantise.weight_grids import WeightGrid, linear_grid, nearest
from ralikit.export.quantise.workbench import Workbench
from ralikit.model.folded import Folded

Rounding = Callable[[Tensor], Tensor]

FLOAT = 1.0
"""Time of a layer in float."""

_INT4_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to store and compute a layer.

    Attributes:
        change: What rounding adds to the layer's weight, of its shape, float16 to spare memory.
        inputs: What the layer's input becomes, or None: it stays float.
    """

    change: Tensor
    inputs: Rounding | None = None


@dataclass(frozen=True, eq=False)
class Kind:
    """One type of one layer.

    Attributes:
        make: What it makes of the weight.
        size: Its bytes.
        time: Its time, a share of that in float.
    """

    make: Callable[[Tensor], Candidate]
    size: int
    time: float


@dataclass(frozen=True, eq=False)
class Choices:
    """What a target's files can store small.

    Attributes:
        folded: The scorer whose layers they are, channels evened out where the target does so.
        kinds: By layer name in the scorer, and type.
    """

    folded: Folded
    kinds: Mapping[str, Mapping[str, Kind]]

    @property
    def layers(self) -> dict[str, Layer]:
        """The layers, by name in the scorer."""
        weighted = typed_layers.weighted(self.folded)
        return {name: weighted[name] for name in self.kinds}


def integer_choices(
    bench: Workbench, *, activations: Activations, times: Mapping[str, float]
) -> Choices:
    """int8, and of a transformer int4, for targets that round its activations as they come.

    Args:
        bench: The scorer and calibration photos.
        activations: What shares a dynamic scale where the file runs.
        times: Time of a transformer's layer by type, a share of that in float.
    """
    dynamic = bench.folded.tower.arithmetic == "dynamic"
    even = layer_types.evened(bench, activations if dynamic else None)[0]
    shares = times if dynamic else {}
    inputs = _dynamic(activations) if dynamic else None
    int4 = "int4" in typed_layers.known_types(even)
    kinds: dict[str, dict[str, Kind]] = {}
    for name, layer in typed_layers.small_layers(even).items():
        rows, count = len(layer.weight), layer.weight.numel()
        kinds[name] = {"int8": Kind(_int8(inputs), count + 4 * rows, shares.get("int8", FLOAT))}
        if int4:
            make = on_grid(lambda w: linear_grid(w, bits=4, block=_INT4_BLOCK))
            size = math.ceil(count / 2) + count // _INT4_BLOCK * 4
            kinds[name]["int4"] = Kind(make, size, shares.get("int4", FLOAT))
    return Choices(even, kinds)


def on_grid(make: Callable[[Tensor], WeightGrid]) -> Callable[[Tensor], Candidate]:
    """A weight rounded to its nearest entries, arithmetic in float.

    Args:
        make: The grid of a weight, seen as (C_out, n).
    """

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
