"""How Core ML stores a weight, and which of a tower's weights are stored small.

Only large matrices of the tower are compressed: linear layers and 1 x 1 convolutions. Little is won
and much is lost with the rest, which stays float16 (the read-out: float32):

- kernels larger than 1 x 1: the convolution that reads pixels, and depthwise ones of 9 numbers;
- weights smaller than a 32nd of the largest: in a MobileNet the first blocks, whose errors travel
  furthest;
- the projection to the embedding, unless it holds more than a twentieth of all weights.

On a trained MobileNetV2, int8 for all of these saved 4 % of the file and tripled the drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ralikit.errors import ExportError
from ralikit.export.quantise.hooks import Layer, is_matrix
from ralikit.export.targets.coreml.precisions import BY_TYPE, SCHEMES, Scheme
from ralikit.model.folded import reads_embedding
from ralikit.runtimes.mil import dequantise

Array = NDArray[Any]


_LAST = "projection"
_LAST_SHARE = 1 / 20
_LEAST_SHARE = 1 / 32


@dataclass(frozen=True, eq=False)
class Stored:
    """A compressed weight as Core ML will hold it.

    Attributes:
        codes: Integers of the weight's shape: int8, or uint8 indices into a palette.
        scale: float16, (C_out,) or (C_out, blocks); None for a palette.
        tables: float16, (size,) or (groups, size); None for integers.
        bits: Bits a code.
        input_scale: Step of the int8 values that the layer reads; None: it reads float16.
    """

    codes: Array
    scale: Array | None
    tables: Array | None
    bits: int
    input_scale: float | None = None

    def values(self) -> Array:
        """The float16 weight that Core ML restores, by its own order of operations."""
        if self.tables is not None:
            return dequantise.palette(self.codes, self.tables_18())
        assert self.scale is not None  # noqa: S101 (one of the two is there)
        if self.scale.ndim == 1:
            return dequantise.affine(self.codes, np.zeros((), np.int8), self.scale, 0)
        return dequantise.blockwise(self.codes, self.block_scale())

    def pointwise(self) -> Stored:
        """The same weight for a 1 x 1 convolution, its codes (C_out, C_in, 1, 1)."""
        return replace(self, codes=self.codes.reshape(*self.codes.shape[:2], 1, 1))

    @property
    def size(self) -> int:
        """Bytes of its codes, scales and tables as Core ML packs them."""
        size = self.codes.size * self.bits // 8
        return size + sum(a.nbytes for a in (self.scale, self.tables) if a is not None)

    def tables_18(self) -> Array:
        """The tables with the axes that iOS 18 wants: (groups, 1.., size, 1)."""
        assert self.tables is not None  # noqa: S101
        groups = self.tables.size // self.tables.shape[-1]
        return self.tables.reshape(groups, *[1] * (self.codes.ndim - 1), -1, 1)

    def block_scale(self) -> Array:
        """The scales with as many axes as the weight."""
        assert self.scale is not None  # noqa: S101
        return self.scale.reshape(*self.scale.shape, *[1] * (self.codes.ndim - self.scale.ndim))


def plan(
    graph: nn.Module, precision: str, types: Mapping[str, str] | None = None
) -> dict[str, Scheme]:
    """The layers to compress and how, by their names in the scorer.

    Args:
        graph: The folded scorer.
        precision: A name of `SCHEMES`, or another precision: nothing is compressed.
        types: Stored type of every layer, where they were chosen one by one; wins over `precision`.

    Raises:
        ExportError: If there is nothing to compress, or a type is not one for its layer.
    """
    tower = graph.get_submodule("tower")
    if types is not None:
        return _mixed(graph, types)
    scheme = SCHEMES.get(precision)
    if scheme is None:
        return {}
    chosen = {f"tower.{name}": scheme for name in chosen_layers(tower)}
    if not chosen:
        raise ExportError(f"the tower has no layer to store as {scheme.stored}")
    return chosen


def _mixed(graph: nn.Module, types: Mapping[str, str]) -> dict[str, Scheme]:
    able = {f"tower.{n}" for n, m in graph.get_submodule("tower").named_modules() if is_matrix(m)}
    found: dict[str, Scheme] = {}
    for name, kind in types.items():
        float_type = "float32" if reads_embedding(name) else "float16"
        if kind == float_type:
            continue
        if kind not in BY_TYPE or name not in able:
            known = f"{float_type}, {', '.join(BY_TYPE)}" if name in able else float_type
            raise ExportError(
                f"layer {name} cannot be stored as {kind} in Core ML, only as {known}"
            )
        found[name] = BY_TYPE[kind]
    return found


def chosen_layers(tower: nn.Module) -> dict[str, Layer]:
    """The tower's layers to compress, by name."""
    layers = {n: m for n, m in tower.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    sizes = {name: module.weight.numel() for name, module in layers.items()}
    least = _LEAST_SHARE * max(sizes.values(), default=0)
    return {
        name: module
        for name, module in layers.items()
        if is_matrix(module)
        and sizes[name] >= least
        and (name != _LAST or sizes[name] >= _LAST_SHARE * sum(sizes.values()))
    }
