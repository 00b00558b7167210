"""Weight compression for Core ML: codes chosen on photos, and the tower that makes up for them.

coremltools has compressors of its own. They round every weight to its nearest entry, which shifts
the mean of what a depthwise network computes: on a trained MobileNetV2, int8 weights alone moved
scores by a whole point. Here the codes are chosen layer after layer, and coremltools only stores
them. Which layers, and in which types: `ralikit.export.targets.coreml.schemes`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ralikit.errors import ExportError
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.gptq import Spread, compensated
from ralikit.export.quantise.hooks import Layer, is_matrix, round_in_step
from ralikit.export.quantise.moments import Spreads
from ralikit.export.quantise.weight_grids import (
    LinearGrid,
    PaletteGrid,
    linear_grid,
    nearest,
    palette_grid,
)
from ralikit.export.targets.coreml.activations import input_scale, rounded
from ralikit.export.targets.coreml.precisions import Scheme
from ralikit.export.targets.coreml.schemes import Stored
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

Array = NDArray[Any]

_PIXELS = 32 * 256 * 256
_TOKENS = 1 << 13


def compress(
    folded: Folded, plan: Mapping[str, Scheme], calibration: Sequence[Views]
) -> tuple[Folded, dict[str, Stored]]:
    """Compress a scorer's tower.

    Args:
        folded: The folded scorer; it is not changed.
        plan: How to store each layer, by name in the scorer
            (`ralikit.export.targets.coreml.schemes.plan`).
        calibration: Views of photos, each (V, S, S, 3) uint8; without them every weight goes to its
            nearest entry and nothing is made up for.

    Returns:
        A copy that computes with the values Core ML will restore, its biases corrected, and the
        compressed weights by layer name.

    Raises:
        ExportError: If blocks or groups do not divide a layer, or int8 activations lack photos.
    """
    compressed = copy.deepcopy(folded)
    chosen = {name: _layer(compressed, name) for name in plan}
    if not calibration:
        if any(scheme.activations < 16 for scheme in plan.values()):
            raise ExportError("int8 activations need calibration photos, and there are none")
        return compressed, {
            name: _store(module, plan[name], name, None) for name, module in chosen.items()
        }
    few = all(scheme.bits == 8 for scheme in plan.values())
    views = _some_views(folded, calibration, tokens=_TOKENS // 2 if few else _TOKENS)
    pixels = pixels_of(folded, views)
    spreads = Spreads()
    stored: dict[str, Stored] = {}

    def choose(name: str, module: Layer, inputs: Tensor) -> Tensor | None:
        scheme = plan[name]
        spread = spreads.of(inputs) if is_matrix(module) else None
        stored[name] = _store(module, scheme, name, spread)
        if scheme.activations == 16:
            return None
        step = input_scale(inputs)
        stored[name] = replace(stored[name], input_scale=step)
        return rounded(inputs, step)

    round_in_step(compressed.tower, chosen, pixels, choose)
    return compressed, stored


def _layer(graph: nn.Module, name: str) -> Layer:
    module = graph.get_submodule(name)
    if not isinstance(module, nn.Conv2d | nn.Linear):
        raise ExportError(f"{name} is no convolution or linear layer")
    return module


def _store(module: Layer, scheme: Scheme, name: str, spread: Spread | None) -> Stored:
    """Choose a layer's codes and give the module the values they stand for."""
    weight = module.weight.detach()
    flat = weight.flatten(1)
    grid = scheme_grid(flat, scheme, name)
    codes = nearest(flat, grid) if spread is None else compensated(flat, grid, spread)
    linear = isinstance(grid, LinearGrid)
    result = Stored(
        codes=codes.numpy().reshape(weight.shape).astype(np.int8 if linear else np.uint8),
        scale=_half(grid.steps[:, 0] if scheme.part(*flat.shape) is None else grid.steps)
        if isinstance(grid, LinearGrid)
        else None,
        tables=_half(grid.tables[0] if scheme.group is None else grid.tables)
        if isinstance(grid, PaletteGrid)
        else None,
        bits=scheme.bits,
    )
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(result.values().astype(np.float32)))
    return result


def scheme_grid(weight: Tensor, scheme: Scheme, name: str) -> LinearGrid | PaletteGrid:
    """What the entries of a layer's weight, seen as (C_out, n), may be under a scheme.

    Args:
        weight: (C_out, n).
        scheme: How it is to be stored.
        name: The layer's, for errors.

    Raises:
        ExportError: If the scheme's blocks or groups do not divide the weight.
    """
    part = scheme.part(*weight.shape)
    if not scheme.fits(*weight.shape):
        linear = scheme.kind == "linear"
        what = "blocks of inputs" if linear else "groups of output channels"
        raise ExportError(
            f"layer {name}: {scheme.stored} {what} do not divide its {weight.shape[int(linear)]} "
            f"(best: {part}), and its scales would weigh more than is saved; store it as int8 or "
            "pal6"
        )
    if scheme.kind == "linear":
        return linear_grid(weight, bits=scheme.bits, block=part)
    return palette_grid(weight, bits=scheme.bits, group=part)


def _some_views(folded: Folded, calibration: Sequence[Views], *, tokens: int) -> Views:
    # One view of every photo, another each time, as many as fit: the widest layer of a small tower
    # holds 100 bytes for every byte of a view, a transformer's is four times its width a token.
    patches = folded.tower.patch_count
    pixels = int(np.prod(calibration[0].shape[1:3]))
    count = max(1, _PIXELS // pixels if patches is None else tokens // patches)
    return np.stack([views[i % len(views)] for i, views in enumerate(calibration[:count])])


def _half(values: Tensor) -> Array:
    return np.asarray(values.numpy().astype(np.float16))
