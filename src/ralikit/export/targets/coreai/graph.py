"""The torch graph that Core AI's converter is given: float16 in the tower, codes for weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ralikit.export.quantise.hooks import Layer
from ralikit.export.targets.coreml.schemes import Stored
from ralikit.model.folded import Folded
from ralikit.model.towers.base import Tower

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Plain(nn.Module):
    """A folded scorer with one positional input, which is what the exporter wants."""

    def __init__(self, folded: Folded) -> None:
        super().__init__()
        self.folded = folded

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """(V, S, S, 3) uint8 -> the scorer's outputs."""
        return self.folded(image)  # type: ignore[no-any-return]


class _Half(nn.Module):
    """A tower that computes in float16 and gives float32: what follows it must not lose digits."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.tower(pixels.half())
        return embedding.float()


class _Integers(nn.Module):
    """A weight kept as integers with scales; the converter stores both as they are."""

    def __init__(self, stored: Stored) -> None:
        super().__init__()
        scale = stored.block_scale()
        self.kind = getattr(torch, f"int{stored.bits}")
        self.register_buffer("quantized_data", torch.from_numpy(stored.codes.copy()))
        self.register_buffer("scale", torch.from_numpy(scale.copy()))

    def forward(self, original: Tensor) -> Tensor:
        restored: Tensor = torch.ops.coreai.constexpr_blockwise_shift_scale(
            self.quantized_data, self.scale, None, None, self.kind
        )
        return restored


class _Palette(nn.Module):
    """A weight kept as indices into a palette; these names of buffers are the converter's."""

    def __init__(self, stored: Stored) -> None:
        super().__init__()
        self.register_buffer("indices", torch.from_numpy(stored.codes.copy()))
        self.register_buffer("lut", torch.from_numpy(stored.tables_18().copy()))

    def forward(self, original: Tensor) -> Tensor:
        restored: Tensor = torch.ops.coreai.lut_to_dense(self.indices, self.lut, 0)
        return restored


def _read_as_int8(layer: Layer, step: float) -> None:
    """Round what a layer reads to int8 and back, which a device may merge into an integer kernel.

    A hook, not a layer around it: towers ask their layers for weights and widths.
    """
    layer.register_buffer("input_step", torch.tensor(step, dtype=torch.float16))

    def through_int8(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        codes = torch.ops.coreai.quantize(inputs[0], module.input_step, torch.int8)
        return (torch.ops.coreai.dequantize(codes, module.input_step),)

    layer.register_forward_pre_hook(through_int8)


def prepared(folded: Folded, stored: Mapping[str, Stored], *, half: bool) -> Folded:
    """A copy for the converter.

    Args:
        folded: The scorer, computing with the values that `stored` stands for; it is not changed.
        stored: Compressed weights by layer.
        half: Whether the tower computes in float16; needed where anything is compressed.
    """
    made = copy.deepcopy(folded)
    if not half:
        return made
    made.tower.half()
    for name, weight in stored.items():
        layer: Layer = made.get_submodule(name)  # type: ignore[assignment]
        kept = _Integers(weight) if weight.tables is None else _Palette(weight)
        parametrize.register_parametrization(layer, "weight", kept, unsafe=True)
        if weight.input_scale is not None:
            _read_as_int8(layer, weight.input_scale)
    made.tower = _Half(made.tower)  # type: ignore[assignment]
    return made


@contextmanager
def counted_names() -> Iterator[None]:
    """Number the converter's helper functions, whose names end in random letters otherwise."""
    from coreai.authoring import func, graph_builder

    count, digits = 0, 8

    def choice(letters: Any) -> str:
        nonlocal count
        count += 1
        name, place = divmod(count - 1, digits)
        return _LETTERS[name // len(_LETTERS) ** (digits - 1 - place) % len(_LETTERS)]

    before = [(module, module.choice) for module in (func, graph_builder)]
    try:
        for module, _ in before:
            module.choice = choice
        yield
    finally:
        for module, original in before:
            module.choice = original
