"""Round a tower to int8, layer by layer, each layer making up for what the ones before it lost.

The float tower and its int8 simulation run side by side over the calibration photos. Before a layer
is rounded its weights are refitted so that, on the *rounded* input, it gives what the float layer
gives on the float input (the asymmetric reconstruction of Nagel et al. 2020, AdaRound, section 3.3,
solved by ridge regression instead of by gradient); after rounding, what is left of the mean error
of every channel goes into the bias (Nagel et al. 2019, section 4.2).

The result is again a plain float tower whose weights lie on their int8 grids, and a grid for every
tensor between layers: what a target stores is then rounding that loses nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx, nn

from ralikit.errors import ExportError
from ralikit.export.quantise.activation_grid import ActivationGrid, best_grid
from ralikit.export.quantise.equalising import WEIGHT_LEVELS as LEVELS
from ralikit.export.quantise.equalising import equalise, on_pixel_grid, pixels_of
from ralikit.export.quantise.gptq import compensated, spread
from ralikit.export.quantise.splitting import split_first_channels
from ralikit.export.quantise.structure import is_add, is_mean, is_relu, layer, trace
from ralikit.export.quantise.ties import without_ties
from ralikit.export.quantise.weight_grids import int8_grid
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

_PIXELS = 32 * 256 * 256  # of all views held while tensors are wide
_VIEWS = 192  # held from where they fit
_WIDENING = 24  # four tensors at once, the widest six times what is live between blocks
_BYTES = 1.5e9
_RIDGE = 0.03
_KINSHIP = 4.0  # neighbouring positions count as one
_ROWS = 1 << 15
_CHUNK = 8


@dataclass(frozen=True, eq=False)
class Int8Plan:
    """What every int8 target stores.

    Attributes:
        folded: The scorer with rounded weights: every tower weight is ``step[c] * k`` for a whole k
            in -127..127, step[c] = max of |weight[c]| / 127 (see `weight_steps`).
        grids: The 8-bit grid of every tensor between layers. A layer's output (behind its ReLU,
            where one follows) goes by the layer's name, ``"blocks.1.expand"``; a sum by the name
            of the layer it adds to with ``".add"``; a mean by its layer's with ``".mean"``.
        pixels: The grid of the first layer's input: whole pixels, no rounding.
    """

    folded: Folded
    grids: dict[str, ActivationGrid]
    pixels: ActivationGrid


def weight_steps(weight: Tensor) -> Tensor:
    """Step of every output channel's int8 grid, (C_out,); a floor keeps dead channels finite."""
    return weight.flatten(1).abs().amax(1).clamp_min(1e-8) / LEVELS


def round_weight(weight: Tensor) -> Tensor:
    """Weights on their own int8 grids, one per output channel."""
    steps = weight_steps(weight).view(-1, *[1] * (weight.dim() - 1))
    return torch.round(weight / steps).clamp(-LEVELS, LEVELS) * steps


def round_activation(x: Tensor, grid: ActivationGrid) -> Tensor:
    """Values on a tensor's grid, clipped at its ends."""
    q = torch.round(x / grid.step).clamp_(-grid.zero, 255 - grid.zero)
    return q.mul_(grid.step)


def prepare_int8(folded: Folded, calibration: Sequence[Views]) -> Int8Plan:
    """From a folded scorer to what int8 targets store.

    The pixels' own grid, equalised channels, the first ones carried twice, all of it rounded.

    A minute's work on one core: `ralikit.export.quantise.workbench` keeps the plan.

    Args:
        folded: The folded scorer; it is not changed.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    some = _two_views(calibration)
    ready = split_first_channels(equalise(on_pixel_grid(folded), some), some)
    return plan_int8(ready, calibration)


def prepare_weights(folded: Folded, calibration: Sequence[Views]) -> Folded:
    """A copy whose tower's weights lie on int8 grids, equalised first: for weight-only files.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    return plan_weights(equalise(folded, _two_views(calibration)), calibration)


def plan_int8(folded: Folded, calibration: Sequence[Views]) -> Int8Plan:
    """Round an equalised scorer's tower to int8, weights and activations.

    Args:
        folded: From `equalise(on_pixel_grid(...), ...)`; it is not changed.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    folded = copy.deepcopy(folded)
    grids = _round_in_step(folded, calibration, activations=True)
    traced = trace(folded.tower)
    grids = without_ties(traced, _names(traced), grids, pixels_of(folded, calibration[0][:1]))
    step = float(folded.gain.flatten()[0])
    zero = round(-float(folded.offset.flatten()[0]) / step)
    return Int8Plan(folded=folded, grids=grids, pixels=ActivationGrid(step=step, zero=zero))


def plan_weights(folded: Folded, calibration: Sequence[Views]) -> Folded:
    """A copy with the tower's weights on int8 grids and its biases corrected for what that changes.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    folded = copy.deepcopy(folded)
    _round_in_step(folded, calibration, activations=False)
    return folded


@dataclass
class _Sides:
    """What every live tensor holds in the exact tower and in the rounded one."""

    exact: dict[fx.Node, Tensor]
    rounded: dict[fx.Node, Tensor]


def _round_in_step(
    folded: Folded, calibration: Sequence[Views], *, activations: bool
) -> dict[str, ActivationGrid]:
    # The calibration set goes through one layer after another, exact and rounded side by side; a
    # tensor is let go as soon as its last reader has run. Early tensors are wide, so only a few
    # views are held; from where all of them fit, all of them are (late layers have many channels
    # and few positions, and need them).
    if not calibration:
        raise ExportError("int8 needs calibration photos, and there are none")
    untouched = trace(copy.deepcopy(folded.tower))
    traced = trace(folded.tower)
    twin = dict(zip(traced.graph.nodes, untouched.graph.nodes, strict=True))
    names = _names(traced)
    grids: dict[str, ActivationGrid] = {}
    few, many = _few_views(calibration), _many_views(calibration)
    sides = _Sides({}, {})
    widened = len(few) >= len(many)
    unread = {node: len(node.users) for node in traced.graph.nodes}
    with torch.inference_mode():
        for node in traced.graph.nodes:
            if node.op == "output":
                break
            if node.op == "placeholder":
                sides.exact[node] = sides.rounded[node] = pixels_of(folded, few)
                continue
            if not widened and _fits(sides.exact, len(few), len(many)):
                pixels = pixels_of(folded, many)
                live = list(sides.exact)
                exact = _rerun(untouched, [twin[n] for n in live], pixels, {}, names)
                sides.exact = {n: exact[twin[n]] for n in live}
                sides.rounded = _rerun(traced, live, pixels, grids, names)
                widened = True
            module = layer(traced, node)
            inputs = node.all_input_nodes
            if module is not None:
                wanted = _apply(module, sides.exact[inputs[0]])
                sides.exact[node] = wanted
                sides.rounded[node] = _round_layer(
                    module, sides.exact[inputs[0]], sides.rounded[inputs[0]], wanted
                )
            else:
                sides.exact[node] = _call(node, sides.exact)
                sides.rounded[node] = _call(node, sides.rounded)
            if activations and _is_stored(node):
                grid = best_grid(sides.rounded[node].numpy())
                grids[names[node]] = grid
                sides.rounded[node] = round_activation(sides.rounded[node], grid)
            for source in inputs:
                unread[source] -= 1
                if not unread[source]:
                    del sides.exact[source], sides.rounded[source]
    return grids


def _two_views(calibration: Sequence[Views]) -> list[Views]:
    # Ranges need many photos more than all views of each.
    if not calibration:
        raise ExportError("int8 needs calibration photos, and there are none")
    return [np.stack([v[i % len(v)], v[(i + 2) % len(v)]]) for i, v in enumerate(calibration)]


def _few_views(calibration: Sequence[Views]) -> Views:
    # One view of every photo, another one each time, as many as fit.
    count = max(1, _PIXELS // int(np.prod(calibration[0].shape[1:3])))
    return np.stack([views[i % len(views)] for i, views in enumerate(calibration[:count])])


def _many_views(calibration: Sequence[Views]) -> Views:
    # Views of all photos in turn: first one of each, then a second of each, and so on.
    turns = [
        views[(i + turn) % len(views)]
        for turn in range(len(calibration[0]))
        for i, views in enumerate(calibration)
    ]
    return np.stack(turns[:_VIEWS])


def _fits(live: dict[fx.Node, Tensor], few: int, many: int) -> bool:
    elements = sum(tensor.numel() for tensor in live.values()) / few
    return elements * _WIDENING * many * 4 <= _BYTES


def _rerun(
    graph: fx.GraphModule,
    live: list[fx.Node],
    pixels: Tensor,
    grids: dict[str, ActivationGrid],
    names: dict[fx.Node, str],
) -> dict[fx.Node, Tensor]:
    # Run the first nodes again, a few views at a time, and keep what is still to be read.
    parts: dict[fx.Node, list[Tensor]] = {node: [] for node in live}
    by_name = {node.name: name for node, name in names.items()}
    for chunk in torch.split(pixels, _CHUNK):
        values: dict[fx.Node, Tensor] = {}
        for node in graph.graph.nodes:
            if all(n in values for n in live):
                break
            if node.op == "placeholder":
                values[node] = chunk
                continue
            module = layer(graph, node)
            if module is not None:
                values[node] = module(values[node.all_input_nodes[0]])
            else:
                values[node] = _call(node, values)
            grid = grids.get(by_name[node.name]) if _is_stored(node) else None
            if grid is not None:
                values[node] = round_activation(values[node], grid)
        for node in live:
            parts[node].append(values[node])
    return {node: torch.cat(tensors) for node, tensors in parts.items()}


def _names(graph: fx.GraphModule) -> dict[fx.Node, str]:
    names: dict[fx.Node, str] = {}
    for node in graph.graph.nodes:
        if layer(graph, node) is not None:
            names[node] = str(node.target)
        elif node.op not in ("placeholder", "output"):
            names[node] = _name(node, names)
    return names


def _is_stored(node: fx.Node) -> bool:
    # A layer followed by a ReLU is one kernel with it: only what the ReLU gives is stored.
    users = list(node.users)
    return not (len(users) == 1 and is_relu(users[0])) and not any(u.op == "output" for u in users)


def _name(node: fx.Node, names: dict[fx.Node, str]) -> str:
    source = names.get(node.all_input_nodes[-1], "")
    if is_add(node):
        return f"{source}.add"
    if is_mean(node):
        return f"{source}.mean"
    return source


def _call(node: fx.Node, values: dict[fx.Node, Tensor]) -> Tensor:
    args = fx.node.map_arg(node.args, lambda n: values[n])
    kwargs = fx.node.map_arg(node.kwargs, lambda n: values[n])
    if node.op == "call_method":
        result: Tensor = getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return result
    assert callable(node.target)  # noqa: S101
    result = node.target(*args, **kwargs)
    assert isinstance(result, Tensor)  # noqa: S101
    return result


def _apply(module: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([module(part) for part in torch.split(x, _CHUNK)])


def _round_layer(
    module: nn.Conv2d | nn.Linear, before: Tensor, x: Tensor, wanted: Tensor
) -> Tensor:
    # Give the layer rounded weights in place, and return what it then makes of the rounded input.
    if isinstance(module, nn.Linear) or module.kernel_size == (1, 1):
        rows = _rows(x)
        weight = _refitted(module.weight.flatten(1), _rows(before), rows, _rows(wanted))
        steps = weight_steps(weight)
        spread_of = spread(_second_moments(rows), dtype=torch.float64)
        codes = compensated(weight, int8_grid(weight, steps), spread_of)
        module.weight.copy_((codes * steps.double()[:, None]).view_as(module.weight))
        y = _apply(module, x)
    else:
        module.weight.copy_(round_weight(module.weight))
        y = _apply(module, x)
        gain = _gain(y, wanted)
        module.weight *= gain.view(-1, 1, 1, 1)
        y = y * gain.view(1, -1, 1, 1)  # the bias with it, which the next lines put right
        assert module.bias is not None  # noqa: S101
        module.bias *= gain
    axes = [d for d in range(y.dim()) if d != 1]
    error = (wanted - y).mean(dim=axes)
    assert module.bias is not None  # noqa: S101
    module.bias += error
    return y + error.view(1, -1, *[1] * (y.dim() - 2))


def _gain(y: Tensor, wanted: Tensor) -> Tensor:
    # Rounding a kernel of few weights mostly changes its gain, which no average over positions
    # takes out again; multiplying the whole kernel keeps it on its grid. The slope of y against
    # what is wanted, and not the other way round: noise in y must not shrink it.
    axes = (0, 2, 3)
    a = wanted - wanted.mean(axes, keepdim=True)
    slope = (a * y).mean(axes) / a.square().mean(axes).clamp_min(1e-12)
    known = a.square().mean(axes) > 1e-8
    return torch.where(known, slope.reciprocal().clamp(0.9, 1.1), torch.ones_like(slope))


def _second_moments(rows: Tensor) -> Tensor:
    # Few rows for many channels show correlations that are not there, and rounding errors would be
    # pushed to where these photos happen not to look: shrink towards the diagonal.
    gram = rows.T @ rows / len(rows)
    share = len(gram) / (len(gram) + len(rows) / _KINSHIP)
    return gram * (1 - share) + torch.diag(gram.diagonal()) * share


def _rows(x: Tensor) -> Tensor:
    # Positions as rows, (rows, C) float64 about their means: the bias takes the means.
    flat = x.movedim(1, -1).flatten(0, -2)
    stride = max(1, -(-len(flat) // _ROWS)) | 1
    rows = flat[::stride].double()
    return rows - rows.mean(0)


def _refitted(weight: Tensor, before: Tensor, x: Tensor, wanted: Tensor) -> Tensor:
    # What is missing on the rounded input x, as far as it goes with the exact input: noise in x is
    # no reason to shrink a weight (the exact input is the instrument of the regression). Ridge:
    # W + (wanted - W x) before^T (x before^T + lambda)^-1.
    cross = before.T @ x
    missing = wanted - x @ weight.double().T
    ridge = _RIDGE * float(cross.diagonal().mean()) * max(1.0, 10.0 * len(cross) / len(x))
    cross.diagonal().add_(ridge)
    change: Tensor = torch.linalg.solve(cross, before.T @ missing).T
    return (weight + change).to(weight.dtype)
