"""A transformer's linear layers with fixed 8-bit ranges, as NPUs ask for them.

No NPU finds a range while it runs: what a layer reads and what it gives have one grid each, chosen
on calibration photos, for the whole tensor. A photo's few massive tokens would take all of such a
range, so channels are evened out first (`ralikit.export.quantise.smoothing`), and grids are chosen
for the least squared error: rare ends are cut. Weights are int8 with a step for every output
channel, rounded layer after layer; biases take the mean error that is left. What lies between the
linear layers (norms, attention's products, sums) stays float.

A layer whose output these ranges would still spoil keeps float16 weights and float arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ralikit.errors import ExportError
from ralikit.export.quantise.activation_grid import ActivationGrid, best_grid
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.hooks import Layer, round_in_step
from ralikit.export.quantise.int8 import round_activation, round_weight, weight_steps
from ralikit.export.quantise.smoothing import Smoothing, divide
from ralikit.export.quantise.typed_layers import (
    SPOILT,
    Mixed,
    calibration_views,
    small_layers,
    uniform_types,
)
from ralikit.model.folded import Folded
from ralikit.runtimes import Views


@dataclass(frozen=True, eq=False, kw_only=True)
class StaticPlan:
    """What a target stores.

    Attributes:
        mixed: The scorer with weights on their grids, every layer's stored type, and the relative
            error of every encoder layer's output.
        inputs: The grid of what each int8 layer reads, by the layer's name in the scorer.
        outputs: The grid of what it gives.
    """

    mixed: Mixed
    inputs: dict[str, ActivationGrid]
    outputs: dict[str, ActivationGrid]


def prepare_static(
    folded: Folded, calibration: Sequence[Views], smoothing: Smoothing, *, spoilt: float = SPOILT
) -> StaticPlan:
    """Choose ranges and round weights, layer after layer.

    Args:
        folded: A rewritten transformer; it is not changed.
        calibration: Views of photos, each (V, S, S, 3) uint8.
        smoothing: How its channels are evened out for static ranges.
        spoilt: Relative error of its output from which a layer stays float16.

    Raises:
        ExportError: If there are no photos, or every layer would be spoilt.
    """
    if not calibration:
        raise ExportError("int8-static needs calibration photos, and there are none")
    even = copy.deepcopy(folded)
    divide(even, smoothing.scales)
    rounding = _Rounding(spoilt)
    layers = small_layers(even)
    pixels = pixels_of(even, calibration_views(even, calibration, 0.5))
    round_in_step(even.tower, layers, pixels, rounding.choose, finish=rounding.finish)
    with torch.no_grad():
        for name, grid in rounding.inputs.items():
            _round_bias(layers[name], grid)
    if not rounding.outputs:
        raise ExportError(
            "int8-static would spoil every layer of this tower on these photos: export it as fp16"
        )
    floats = {name: "float16" for name in layers if name not in rounding.outputs}
    types = uniform_types(even, "int8") | floats
    mixed = Mixed(folded=even, types=types, steps={}, errors=rounding.errors)
    return StaticPlan(mixed=mixed, inputs=rounding.inputs, outputs=rounding.outputs)


class _Rounding:
    """Rounds one layer at a time and keeps its grids."""

    def __init__(self, spoilt: float) -> None:
        self.inputs: dict[str, ActivationGrid] = {}
        self.outputs: dict[str, ActivationGrid] = {}
        self.errors: dict[str, float] = {}
        self._spoilt = spoilt
        self._last: tuple[Tensor, ActivationGrid] | None = None

    def choose(self, name: str, module: Layer, inputs: Tensor) -> Tensor | None:
        wanted = module.forward(inputs)  # without its hooks: they called this
        kept = module.weight.clone()
        grid = self._grid_of(inputs)
        rounded = round_activation(inputs, grid)
        module.weight.copy_(round_weight(kept))
        given = module.forward(rounded)
        axes = list(range(wanted.dim() - 1))
        given += (wanted - given).mean(axes)  # as the bias will
        output = best_grid(given.numpy())
        error = _relative(round_activation(given, output), wanted)
        self.errors[name] = error
        if error > self._spoilt:
            module.weight.copy_(kept.half())
            return None
        self.inputs[name], self.outputs[name] = grid, output
        return rounded

    def finish(self, name: str, output: Tensor) -> Tensor:
        grid = self.outputs.get(name)
        return output if grid is None else round_activation(output, grid)

    def _grid_of(self, inputs: Tensor) -> ActivationGrid:
        # Query, key and value read one tensor, and shall read it rounded once.
        if self._last is None or self._last[0] is not inputs:
            self._last = (inputs, best_grid(inputs.numpy()))
        return self._last[1]


def _round_bias(module: Layer, read: ActivationGrid) -> None:
    # To whole units of the products, as files store it; less than a thousandth of what they give.
    if module.bias is None:
        return
    unit = weight_steps(module.weight).double() * read.step
    module.bias.copy_(torch.round(module.bias.double() / unit) * unit)


def _relative(given: Tensor, wanted: Tensor) -> float:
    # The root of noise energy over signal energy.
    signal = (wanted - wanted.mean(list(range(wanted.dim() - 1)))).square().sum()
    return float(((given - wanted).square().sum() / signal.clamp_min(1e-30)).sqrt())
