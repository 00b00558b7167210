"""Steps between which no sum and no mean falls halfway, so that every kernel rounds them alike.

An int8 kernel multiplies whole numbers by a ratio of steps and rounds. Where the exact result lies
halfway between two steps, or within float32's error of that, kernels part: one multiplies and adds
in one rounding (x86), one in two (WebAssembly), one in fixed point and rounds halves up (Arm). A
layer's requantisation is one multiplication and comes out alike everywhere; sums and means do not.
One value rounded the other way is one step for the layers that follow, and layers amplify it.

So steps are moved, by less than half a percent, to where halves cannot occur: in units u that
divide both operands, the sum is a whole number n of u, and its own step is an odd number R of
u / m. Then n m / R is never halfway, but at least 1 / 2R away: ten times and more what kernels
disagree by.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, fx

from ralikit.export.quantise.activation_grid import ActivationGrid
from ralikit.export.quantise.structure import is_add, is_mean, is_relu

# Steps move by less than 1 / _PARTS, and results stay about 1 / (2 _PARTS) of a step from halfway.
_PARTS = 256


def without_ties(
    traced: fx.GraphModule,
    names: dict[fx.Node, str],
    grids: dict[str, ActivationGrid],
    pixels: Tensor,
) -> dict[str, ActivationGrid]:
    """A tower's grids, those of sums, their operands and means moved so that nothing is halfway.

    Args:
        traced: The tower.
        names: Under which name a node's grid is found.
        grids: The grids, by name.
        pixels: What the tower is given, (1, 3, S, S): how many values a mean takes depends on it.
    """
    counts = _positions(traced, pixels)
    moved: dict[str, ActivationGrid] = {}

    def known(source: object) -> ActivationGrid | None:
        return moved.get(names.get(source, "")) if isinstance(source, fx.Node) else None

    for node in traced.graph.nodes:
        grid = grids.get(names.get(node, ""))
        if grid is None:
            continue
        maker = node.all_input_nodes[0] if is_relu(node) else node
        operands = [known(source) for source in maker.args]
        if is_mean(maker) and operands[0]:
            grid = grid_of_mean(grid, operands[0], counts[maker.all_input_nodes[0]])
        elif is_add(maker):
            first, second = operands
            grid = grid_of_sum(grid, first, second) if first and second else grid
        else:
            sums = [user for user in node.users if is_add(user)]
            others = [known(source) for user in sums for source in user.args if source is not node]
            grid = next((grid_to_add(grid, other) for other in others if other), grid)
        moved[names[node]] = grid
    return moved


def grid_to_add(grid: ActivationGrid, other: ActivationGrid) -> ActivationGrid:
    """The grid of a tensor that will be added to one on `other`: a ratio of small numbers.

    A step far below the other's is widened to a 256th of it: the sum's own rounding hides that.
    """
    ratio = _ratio(grid, other)
    step = other.step * ratio if grid.step <= other.step else other.step / ratio
    return _with_step(grid, float(step))


def grid_of_sum(
    grid: ActivationGrid, first: ActivationGrid, second: ActivationGrid
) -> ActivationGrid:
    """The grid of the sum of two tensors: no sum of two of their values is halfway.

    Where the operands' steps have no ratio of small numbers (see `grid_to_add`: each of them took
    part in another sum before), the grid stays as it is and nothing is promised.
    """
    small, large = sorted((first, second), key=lambda g: g.step)
    ratio = _ratio(small, large)
    if not math.isclose(small.step, large.step * ratio, rel_tol=1e-6):
        return grid
    return _odd(grid, large.step / ratio.denominator)


def grid_of_mean(grid: ActivationGrid, source: ActivationGrid, count: int) -> ActivationGrid:
    """The grid of the mean of `count` values on `source`: no mean of them is halfway.

    Float32 takes the means of up to some thousands of values closely enough for that.
    """
    return _odd(grid, source.step / count)


def _positions(traced: fx.GraphModule, pixels: Tensor) -> dict[fx.Node, int]:
    # Values of one channel in every tensor.
    found: dict[fx.Node, int] = {}

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Tensor:
            result: Tensor = super().run_node(n)
            if n.op != "output":
                found[n] = result[0, 0].numel()
            return result

    with torch.inference_mode():
        Watch(traced).run(pixels)
    return found


def _ratio(one: ActivationGrid, other: ActivationGrid) -> Fraction:
    # The smaller step in terms of the larger, above 0.
    small, large = sorted((one.step, other.step))
    return max(Fraction(small / large).limit_denominator(_PARTS), Fraction(1, _PARTS))


def _odd(grid: ActivationGrid, unit: float) -> ActivationGrid:
    # An odd multiple of a whole share of the unit, the share small enough to move the step little.
    share = max(1, math.ceil(_PARTS * unit / grid.step))
    odd = 2 * round((grid.step * share / unit - 1) / 2) + 1
    return _with_step(grid, odd * unit / share)


def _with_step(grid: ActivationGrid, step: float) -> ActivationGrid:
    return replace(grid, step=float(np.float32(step)))
