"""What every tower is: a torch module with an embedding width, and what it says of itself.

What stands here fits a convolutional tower: planned as a whole for int8, every layer storable
small, nothing to rewrite, one layout. Towers that differ say so.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from ralikit.model.towers.channels import Channels

Arithmetic = Literal["static", "dynamic"]


class Tower(nn.Module):
    """Normalised RGB views in, one embedding a view out.

    Attributes:
        kind: Name under which `build_tower` makes it.
        arithmetic: How int8 computes it: ``"static"``: planned as a whole, every tensor's range
            known from photos; ``"dynamic"``: layer by layer, ranges found on every photo.
        small_types: Types that its small layers can be stored in, besides float32.
        small_parts: What the names of layers that can be stored small begin with.
        lies_otherwise: Whether `channels_first` lays it out otherwise than it is.
        dim: Width of the embedding, D.
        dropout: On the pooled features before the projection, in training only.
        recompute: Compute activations anew in the backward pass, in training only.
    """

    kind: ClassVar[str]
    arithmetic: ClassVar[Arithmetic] = "static"
    small_types: ClassVar[tuple[str, ...]] = ("float16", "int8")
    small_parts: ClassVar[tuple[str, ...]] = ("",)
    lies_otherwise: ClassVar[bool] = False
    dim: int
    dropout: float = 0.0
    recompute: bool = False

    def config(self) -> dict[str, Any]:
        """Plain values from which `build_tower` makes the same architecture."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, S, S) float, normalised -> (B, D) float, not at unit norm."""
        raise NotImplementedError

    def features(self, pixels: Tensor) -> Tensor:
        """What `project` turns into the embedding; training runs this part in low precision."""
        features: Tensor = self(pixels)
        return features

    def project(self, features: Tensor) -> Tensor:
        """The last, float32 part of the forward pass; nothing in towers that have no such part."""
        return features

    @property
    def patch_count(self) -> int | None:
        """Patches a view is cut into; None: it is not."""
        return None

    def live_numbers(self, pixels: int) -> int:
        """Numbers in its widest tensors for one view of so many pixels: what memory must hold."""
        return 100 * pixels

    def small_layers(self) -> dict[str, nn.Conv2d | nn.Linear]:
        """Its layers that can be stored small, by name."""
        return {
            name: module
            for name, module in self.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear) and name.startswith(self.small_parts)
        }

    def channels_to_even(self) -> tuple[Channels, ...]:
        """Tensors whose channels can be evened out once it is rewritten, in the order of layers.

        Asked of towers with dynamic arithmetic alone: the channels of others are read off their
        traced graph (`ralikit.export.quantise.structure`).
        """
        return ()

    def rewritten(self) -> Tower:
        """A copy that computes the same with fewer operations, its layers' names kept.

        Exact but for rounding of float32; a tower with nothing to rewrite gives itself.
        """
        return self

    def absorb_pixels(self, gain: Tensor, offset: Tensor) -> bool:
        """Take the pixels' normalisation into the weights of a rewritten tower, in place.

        Args:
            gain: What pixels in 0..255 are multiplied by, (1, 3, 1, 1).
            offset: What is added to that, (1, 3, 1, 1).

        Returns:
            Whether it did, and from now on takes pixels as they are.
        """
        return False

    def channels_first(self) -> Tower:
        """The same tower with tokens along the last axis, (V, C, 1, N), for conversion alone.

        It has the original's own weights, and layers of the same names.

        Raises:
            TypeError: If it has no tokens, or nothing says how they would lie.
        """
        raise TypeError(f"a {self.kind} tower has no tokens to lay out")
