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
from ralikit.export.calibration import Grid, best_grid
from ralikit.export.equalise import WEIGHT_LEVELS as LEVELS
from ralikit.export.equalise import pixels_of
from ralikit.export.graph import FoldedScorer
from ralikit.export.structure import is_add, is_mean, is_relu, layer, trace
from ralikit.runtimes import Views

_PIXELS = 48 * 256 * 256
_RIDGE = 0.03
_DAMPING = 0.01
_KINSHIP = 4.0  # neighbouring positions count as one
_ROWS = 1 << 15
_CHUNK = 8


@dataclass(frozen=True, eq=False)
class Int8Plan:
    """What every int8 target stores.

    Attributes:
        graph: The scorer with rounded weights: every tower weight is ``step[c] * k`` for a whole k
            in -127..127, step[c] = max of |weight[c]| / 127 (see `weight_steps`).
        grids: The 8-bit grid of every tensor between layers. A layer's output (behind its ReLU,
            where one follows) goes by the layer's name, ``"blocks.1.expand"``; a sum by the name
            of the layer it adds to with ``".add"``; a mean by its layer's with ``".mean"``.
        pixels: The grid of the first layer's input: whole pixels, no rounding.
    """

    graph: FoldedScorer
    grids: dict[str, Grid]
    pixels: Grid


def weight_steps(weight: Tensor) -> Tensor:
    """Step of every output channel's int8 grid, (C_out,); a floor keeps dead channels finite."""
    return weight.flatten(1).abs().amax(1).clamp_min(1e-8) / LEVELS


def round_weight(weight: Tensor) -> Tensor:
    """Weights on their own int8 grids, one per output channel."""
    steps = weight_steps(weight).view(-1, *[1] * (weight.dim() - 1))
    return torch.round(weight / steps).clamp(-LEVELS, LEVELS) * steps


def round_activation(x: Tensor, grid: Grid) -> Tensor:
    """Values on a tensor's grid, clipped at its ends."""
    q = torch.round(x / grid.step).clamp_(-grid.zero, 255 - grid.zero)
    return q.mul_(grid.step)


def plan_int8(
    graph: FoldedScorer, calibration: Sequence[Views], *, refit: bool = False
) -> Int8Plan:
    """Round an equalised scorer's tower to int8, weights and activations.

    Args:
        graph: From `equalise(on_pixel_grid(...), ...)`; it is not changed.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8.
        refit: Refit weights to the rounded inputs; off, only the biases are corrected.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    graph = copy.deepcopy(graph)
    grids = _round_in_step(graph, calibration, refit=refit, activations=True)
    step = float(graph.gain.flatten()[0])
    zero = round(-float(graph.offset.flatten()[0]) / step)
    return Int8Plan(graph=graph, grids=grids, pixels=Grid(step=step, zero=zero))


def plan_weights(graph: FoldedScorer, calibration: Sequence[Views]) -> FoldedScorer:
    """A copy with the tower's weights on int8 grids and its biases corrected for what that changes.

    Raises:
        ExportError: If there are no photos, or the tower has no fixed graph.
    """
    graph = copy.deepcopy(graph)
    _round_in_step(graph, calibration, refit=False, activations=False)
    return graph


def _round_in_step(
    graph: FoldedScorer, calibration: Sequence[Views], *, refit: bool, activations: bool
) -> dict[str, Grid]:
    # The whole calibration set goes through one layer after another, exact and rounded side by
    # side; a tensor is let go as soon as its last reader has run.
    traced = trace(graph.tower)
    grids: dict[str, Grid] = {}
    names: dict[fx.Node, str] = {}
    exact: dict[fx.Node, Tensor] = {}
    rounded: dict[fx.Node, Tensor] = {}
    unread = {node: len(node.users) for node in traced.graph.nodes}
    with torch.inference_mode():
        for node in traced.graph.nodes:
            if node.op == "output":
                break
            if node.op == "placeholder":
                exact[node] = rounded[node] = pixels_of(graph, _some_views(calibration))
                continue
            module = layer(traced, node)
            inputs = node.all_input_nodes
            if module is not None:
                names[node] = str(node.target)
                exact[node] = _apply(module, exact[inputs[0]])
                rounded[node] = _round_layer(module, rounded[inputs[0]], exact[node], refit=refit)
            else:
                names[node] = _name(node, names)
                exact[node] = _call(node, exact)
                rounded[node] = _call(node, rounded)
            if activations and _is_stored(node):
                grid = best_grid(rounded[node].numpy())
                grids[names[node]] = grid
                rounded[node] = round_activation(rounded[node], grid)
            for source in inputs:
                unread[source] -= 1
                if not unread[source]:
                    del exact[source], rounded[source]
    return grids


def _some_views(calibration: Sequence[Views]) -> Views:
    # One view of every photo, another one each time, as many as fit: the widest layer of a small
    # tower holds 100 bytes for every byte of a view, and four such tensors live at once.
    if not calibration:
        raise ExportError("int8 needs calibration photos, and there are none")
    count = max(1, _PIXELS // int(np.prod(calibration[0].shape[1:3])))
    chosen = [views[i % len(views)] for i, views in enumerate(calibration[:count])]
    return np.stack(chosen)


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
    return node.target(*args, **kwargs)


def _apply(module: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([module(part) for part in x.split(_CHUNK)])


def _round_layer(
    module: nn.Conv2d | nn.Linear, x: Tensor, wanted: Tensor, *, refit: bool
) -> Tensor:
    # Give the layer rounded weights in place, and return what it then makes of the rounded input.
    if isinstance(module, nn.Linear) or module.kernel_size == (1, 1):
        rows, targets = _rows(x), _rows(wanted)
        weight = _refitted(module.weight.flatten(1), rows, targets) if refit else module.weight
        steps = weight_steps(weight)
        rounded = compensated(weight.flatten(1), _second_moments(rows), steps)
        module.weight.copy_(rounded.view_as(module.weight))
    else:
        module.weight.copy_(round_weight(module.weight))
    y = _apply(module, x)
    axes = [d for d in range(y.dim()) if d != 1]
    error = (wanted - y).mean(dim=axes)
    assert module.bias is not None  # noqa: S101
    module.bias += error
    return y + error.view(1, -1, *[1] * (y.dim() - 2))


def compensated(weight: Tensor, gram: Tensor, steps: Tensor) -> Tensor:
    """Round column after column, each rounding error made up for by the columns still to come.

    GPTQ (Frantar et al. 2022, section 3): with the inputs' second moments H, the error of column i
    is spread over the rest along row i of the Cholesky factor of H^-1. Inputs that vary most go
    first, when most columns are left to make up for them.

    Args:
        weight: (C_out, C_in).
        gram: Second moments of the inputs about their means, (C_in, C_in).
        steps: Step of every output channel, (C_out,).

    Returns:
        Weights on their grids, (C_out, C_in).
    """
    order = torch.argsort(gram.diagonal(), descending=True, stable=True)
    work = weight[:, order].double()
    h = gram[order][:, order].double()
    h.diagonal().add_(_DAMPING * float(h.diagonal().mean()) + 1e-12)
    factor = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    step = steps.double()
    for i in range(work.shape[1]):
        column = work[:, i]
        rounded = torch.round(column / step).clamp_(-LEVELS, LEVELS) * step
        error = (column - rounded) / factor[i, i]
        work[:, i + 1 :] -= error[:, None] * factor[i, i + 1 :]
        work[:, i] = rounded
    result = torch.empty_like(weight)
    result[:, order] = work.to(weight.dtype)
    return result


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


def _refitted(weight: Tensor, x: Tensor, wanted: Tensor) -> Tensor:
    # Ridge regression of what is missing on the rounded input:
    # W + (wanted - W x) x^T (x x^T + lambda)^-1.
    gram = x.T @ x
    missing = wanted - x @ weight.double().T
    ridge = _RIDGE * float(gram.diagonal().mean()) * max(1.0, 10.0 * gram.shape[0] / len(x))
    gram.diagonal().add_(ridge)
    return (weight + torch.linalg.solve(gram, x.T @ missing).T).to(weight.dtype)
