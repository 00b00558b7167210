"""What vision transformers have in common: patches, positions, blocks and the norm after them."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ralikit.model.towers.base import Arithmetic, Tower
from ralikit.model.towers.block import Activation, Block, blocks_of
from ralikit.model.towers.channels import Channels
from ralikit.printable import shown


class Vit(Tower):
    """What the two towers have in common: patches, positions, blocks and the norm after them.

    Args:
        size: Edge of the input, pixels; what is left beyond whole patches is not looked at.
        patch: Edge of a patch, pixels.
        width: Width of the residual stream, C.
        depth: Number of blocks.
        heads: Attention heads; divide `width`.
        hidden: Width inside the MLPs.
        activation: Of the MLPs.
        eps: Of the layer norms.
        dim: Width of the embedding, D.
        extra: Tokens beside the patches.
        bias: Whether the patch convolution has one.

    Raises:
        TypeError: If no vision transformer has such a shape.
    """

    arithmetic: ClassVar[Arithmetic] = "dynamic"
    small_types: ClassVar[tuple[str, ...]] = ("float16", "int8", "int4")
    small_parts: ClassVar[tuple[str, ...]] = ("blocks.",)

    def __init__(
        self,
        *,
        size: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        activation: Activation,
        eps: float,
        dim: int,
        extra: int,
        bias: bool,
    ) -> None:
        super().__init__()
        _check_shape(
            size=size,
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            hidden=hidden,
            dim=dim,
            eps=eps,
        )
        self.dim = dim
        self._config: dict[str, Any] = {
            "size": size,
            "patch": patch,
            "width": width,
            "depth": depth,
            "heads": heads,
            "hidden": hidden,
            "activation": activation,
            "eps": eps,
        }
        self.patches = nn.Conv2d(3, width, patch, stride=patch, bias=bias)
        self.positions = nn.Parameter(torch.zeros((size // patch) ** 2 + extra, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, hidden, activation, eps) for _ in range(depth)
        )
        self.norm_out = nn.LayerNorm(width, eps=eps)
        nn.init.normal_(self.positions, std=0.02)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return dict(self._config)

    def tokens(self, pixels: Tensor) -> Tensor:
        """A token a patch, without its position, (B, 3, size, size) -> (B, N, C)."""
        patches: Tensor = self.patches(pixels)
        return patches.flatten(2).transpose(1, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, size, size) -> (B, dim)."""
        return self.project(self.features(pixels))

    @property
    def patch_count(self) -> int:
        """Patches a view is cut into."""
        count: int = (self._config["size"] // self._config["patch"]) ** 2
        return count

    def live_numbers(self, pixels: int) -> int:
        """A token's MLP, and the logits of all heads, before and after the softmax."""
        tokens = self.patch_count + 1
        made = self._config
        count: int = tokens * (3 * made["hidden"] + 2 * made["heads"] * tokens)
        return count

    def channels_to_even(self) -> tuple[Channels, ...]:
        """Whatever the blocks' linear layers read."""
        blocks = enumerate(blocks_of(self.blocks))
        return tuple(c for i, block in blocks for c in block.channels(f"blocks.{i}"))

    def rewritten(self) -> Self:
        """A copy without what linear layers can absorb: norms' gains, scales, constant biases.

        Sums are taken in float64 and stored as float32.
        """
        other = copy.deepcopy(self)
        with torch.no_grad():
            other.absorb()
        return other

    def absorb(self) -> None:
        """Rewrite every block in place; towers with more to them absorb that too."""
        for block in blocks_of(self.blocks):
            block.rewrite()

    @torch.no_grad()
    def absorb_pixels(self, gain: Tensor, offset: Tensor) -> bool:
        """Take the normalisation into the patch convolution; its constants, into the positions.

        Exact, for patches have no padding.
        """
        conv, positions = self.patches, self.positions.double()
        weight = conv.weight.double()
        constant = (weight * offset.double()).sum(dim=(1, 2, 3))  # (C,)
        if conv.bias is not None:
            constant += conv.bias.double()
            conv.bias = None
        conv.weight.copy_(weight * gain.double())
        positions[len(positions) - self.patch_count :] += constant
        self.positions.copy_(positions)
        return True


_LARGEST = {
    "size": 4096,
    "patch": 4096,
    "depth": 1000,
    "heads": 4096,
    "width": 2**16,
    "hidden": 2**18,
    "dim": 2**16,
}
"""Larger towers than anybody has trained: a config beyond these is damaged, or made to harm."""


def _check_shape(*, eps: float, **counts: int) -> None:
    # A TypeError, as for any other config that does not fit the tower.
    said = ", ".join(f"{name} {shown(repr(value))}" for name, value in counts.items())
    if not all(type(value) is int and value >= 1 for value in counts.values()):
        raise TypeError(f"{said}: whole numbers of at least 1 are expected")
    large = [f"{k} at most {_LARGEST[k]}" for k, v in counts.items() if v > _LARGEST[k]]
    if large:
        raise TypeError(f"{', '.join(large)}; it says {said}")
    if counts["size"] < counts["patch"] or counts["width"] % counts["heads"]:
        raise TypeError(f"{said}: size must be at least patch, width a multiple of heads")
    if type(eps) not in (int, float) or not 0 < eps < 1:
        raise TypeError(f"eps {shown(repr(eps))}: a number between 0 and 1 is expected")
