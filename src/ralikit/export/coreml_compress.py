"""Weight compression for Core ML: which weights, how, and the tower that makes up for it.

Only large matrices of the tower are compressed: linear layers and 1 x 1 convolutions. Little is won
and much is lost with the rest, which stays float16 (the read-out: float32):

- kernels larger than 1 x 1: the convolution that reads pixels, and depthwise ones of 9 numbers;
- weights smaller than a 32nd of the largest: in a MobileNet the first blocks, whose errors travel
  furthest;
- the projection to the embedding, unless it holds more than a twentieth of all weights.

On a trained MobileNetV2, int8 for all of these saved 4 % of the file and tripled the drift.

coremltools has compressors of its own. They round every weight to its nearest entry, which shifts
the mean of what a depthwise network computes: on a trained MobileNetV2, int8 weights alone moved
scores by a whole point. Here the codes are chosen on photos, layer after layer, and coremltools
only stores them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ralikit.errors import ExportError
from ralikit.export.coreml_grids import (
    LinearGrid,
    PaletteGrid,
    compensated,
    linear_grid,
    nearest,
    palette_grid,
)
from ralikit.export.equalise import pixels_of
from ralikit.export.graph import FoldedScorer
from ralikit.runtimes import Views
from ralikit.runtimes.mil import dequantise

Array = NDArray[Any]
Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way to store weights; activations stay float16 in all of them.

    Attributes:
        kind: Integers with a scale, or indices into a palette found by k-means.
        bits: Bits a weight.
        group: Inputs that share a scale, or output channels that share a palette; None: a scale
            for each output channel, a palette for each tensor.
        minimum_ios: First iOS that reads it.
        meaning: For manifests.
    """

    kind: Literal["linear", "palette"]
    bits: int
    group: int | None = None
    minimum_ios: int = 16
    meaning: str

    @property
    def stored(self) -> str:
        """The type read back for a weight under this scheme: ``"int8"``, ``"pal6"``."""
        return f"{'int' if self.kind == 'linear' else 'pal'}{self.bits}"


_INT8 = Scheme(
    kind="linear",
    bits=8,
    meaning="int8 weights (one scale an output channel), float16 activations: what Core ML "
    "calls int8; not integer arithmetic",
)
SCHEMES: dict[str, Scheme] = {
    "int8": _INT8,
    "int8-weights": _INT8,
    "pal6": Scheme(
        kind="palette",
        bits=6,
        meaning="weights from a palette of 64 float16 values a tensor, float16 activations",
    ),
    "pal4": Scheme(
        kind="palette",
        bits=4,
        group=16,
        minimum_ios=18,
        meaning="weights from a palette of 16 float16 values for every 16 output channels (or "
        "the largest divisor below), float16 activations",
    ),
    "int4": Scheme(
        kind="linear",
        bits=4,
        group=32,
        minimum_ios=18,
        meaning="int4 weights (one scale for every 32 inputs, or the largest divisor below), "
        "float16 activations",
    ),
}
"""By precision name."""

_LAST = "projection"
_LAST_SHARE = 1 / 20
_LEAST_SHARE = 1 / 32
_PIXELS = 32 * 256 * 256
_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class Stored:
    """A compressed weight as Core ML will hold it.

    Attributes:
        codes: Integers of the weight's shape: int8, or uint8 indices into a palette.
        scale: float16, (C_out,) or (C_out, blocks); None for a palette.
        tables: float16, (size,) or (groups, size); None for integers.
        bits: Bits a code.
    """

    codes: Array
    scale: Array | None
    tables: Array | None
    bits: int

    def values(self) -> Array:
        """The float16 weight that Core ML restores, by its own order of operations."""
        if self.tables is not None:
            return dequantise.palette(self.codes, self.tables_18())
        assert self.scale is not None  # noqa: S101 (one of the two is there)
        if self.scale.ndim == 1:
            return dequantise.affine(self.codes, np.zeros((), np.int8), self.scale, 0)
        return dequantise.blockwise(self.codes, self.block_scale())

    def tables_18(self) -> Array:
        """The tables with the axes that iOS 18 wants: (groups, 1.., size, 1)."""
        assert self.tables is not None  # noqa: S101
        groups = self.tables.size // self.tables.shape[-1]
        return self.tables.reshape(groups, *[1] * (self.codes.ndim - 1), -1, 1)

    def block_scale(self) -> Array:
        """The scales with as many axes as the weight."""
        assert self.scale is not None  # noqa: S101
        return self.scale.reshape(*self.scale.shape, *[1] * (self.codes.ndim - 2))


def compress(
    graph: FoldedScorer, scheme: Scheme, calibration: Sequence[Views]
) -> tuple[FoldedScorer, dict[str, Stored]]:
    """Compress a scorer's tower.

    Args:
        graph: The folded scorer; it is not changed.
        scheme: How to store weights.
        calibration: Views of photos, each (V, S, S, 3) uint8; without them every weight goes to its
            nearest entry and nothing is made up for.

    Returns:
        A copy that computes with the values Core ML will restore, its biases corrected, and the
        compressed weights by layer name.

    Raises:
        ExportError: If no layer qualifies.
    """
    compressed = copy.deepcopy(graph)
    chosen = chosen_layers(compressed.tower)
    if not chosen:
        raise ExportError(f"the tower has no layer to store as {scheme.stored}")
    if calibration:
        return compressed, _in_step(graph, compressed, scheme, _some_views(calibration), chosen)
    stored = {f"tower.{name}": _store(module, scheme, None) for name, module in chosen.items()}
    return compressed, stored


def chosen_layers(tower: nn.Module) -> dict[str, Layer]:
    """The tower's layers to compress, by name."""
    layers = {n: m for n, m in tower.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    sizes = {name: module.weight.numel() for name, module in layers.items()}
    least = _LEAST_SHARE * max(sizes.values(), default=0)
    return {
        name: module
        for name, module in layers.items()
        if _is_matrix(module)
        and sizes[name] >= least
        and (name != _LAST or sizes[name] >= _LAST_SHARE * sum(sizes.values()))
    }


def _in_step(
    graph: FoldedScorer,
    compressed: FoldedScorer,
    scheme: Scheme,
    views: Views,
    chosen: dict[str, Layer],
) -> dict[str, Stored]:
    # One pass through the exact tower notes what each layer gives on the mean. In one pass through
    # the compressed tower every layer is rounded when its inputs arrive, which come from layers
    # rounded before it; its bias then takes what is left of the mean error (Nagel et al. 2019,
    # section 4.2).
    pixels = pixels_of(graph, views)
    wanted: dict[str, Tensor] = {}
    stored: dict[str, Stored] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            wanted[name] = _means(module, output)

        return hook

    def choose(name: str) -> Callable[..., None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...]) -> None:
            stored[f"tower.{name}"] = _store(module, scheme, inputs[0])

        return hook

    def correct(name: str) -> Callable[..., Tensor | None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            if module.bias is None:
                return None
            error = wanted[name] - _means(module, output)
            module.bias += error
            return output + (error.view(-1, 1, 1) if isinstance(module, nn.Conv2d) else error)

        return hook

    exact = {name: graph.tower.get_submodule(name) for name in chosen}
    with torch.inference_mode():
        handles = [module.register_forward_hook(note(name)) for name, module in exact.items()]
        _run(graph.tower, pixels, handles)
        handles = [m.register_forward_pre_hook(choose(name)) for name, m in chosen.items()]
        handles += [m.register_forward_hook(correct(name)) for name, m in chosen.items()]
        _run(compressed.tower, pixels, handles)
    return stored


def _run(tower: nn.Module, pixels: Tensor, handles: list[RemovableHandle]) -> None:
    try:
        tower(pixels)
    finally:
        for handle in handles:
            handle.remove()


def _means(module: Layer, output: Tensor) -> Tensor:
    """Mean of every output channel over everything else."""
    channels = output.movedim(1, -1) if isinstance(module, nn.Conv2d) else output
    return channels.flatten(0, -2).mean(0)


def _store(module: Layer, scheme: Scheme, inputs: Tensor | None) -> Stored:
    """Choose a layer's codes and give the module the values they stand for."""
    weight = module.weight.detach()
    flat = weight.flatten(1)
    grid: LinearGrid | PaletteGrid
    if scheme.kind == "linear":
        block = None if scheme.group is None else _divisor(flat.shape[1], scheme.group)
        grid = linear_grid(flat, bits=scheme.bits, block=block)
    else:
        group = None if scheme.group is None else _divisor(len(flat), scheme.group)
        grid = palette_grid(flat, bits=scheme.bits, group=group)
    if inputs is not None and _is_matrix(module):
        rows = _rows(inputs)
        codes = compensated(flat, grid, rows.T @ rows)
    else:
        codes = nearest(flat, grid)
    linear = isinstance(grid, LinearGrid)
    result = Stored(
        codes=codes.numpy().reshape(weight.shape).astype(np.int8 if linear else np.uint8),
        scale=_half(grid.steps[:, 0] if scheme.group is None else grid.steps)
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


def _is_matrix(module: Layer) -> bool:
    """Whether the layer is one matrix applied at every position."""
    if isinstance(module, nn.Linear):
        return True
    return set(module.kernel_size) == {1} and module.groups == 1


def _rows(inputs: Tensor) -> Tensor:
    # Positions as rows about their means, which the bias takes; an odd stride meets all columns.
    channels = inputs.movedim(1, -1) if inputs.dim() == 4 else inputs
    flat = channels.flatten(0, -2)
    rows = flat[:: max(1, -(-len(flat) // _ROWS)) | 1].double()
    return rows - rows.mean(0)


def _some_views(calibration: Sequence[Views]) -> Views:
    # One view of every photo, another each time, as many as fit: the widest layer of a small tower
    # holds 100 bytes for every byte of a view.
    count = max(1, _PIXELS // int(np.prod(calibration[0].shape[1:3])))
    return np.stack([views[i % len(views)] for i, views in enumerate(calibration[:count])])


def _half(values: Tensor) -> Array:
    return np.asarray(values.numpy().astype(np.float16))


def _divisor(extent: int, wanted: int) -> int:
    """The largest divisor of `extent` up to `wanted`."""
    return max(n for n in range(1, wanted + 1) if extent % n == 0)
