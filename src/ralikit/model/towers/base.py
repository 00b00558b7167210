"""What every tower is: a torch module with an embedding width and a config of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn


class Tower(nn.Module):
    """Normalised RGB views in, one embedding a view out.

    Attributes:
        kind: Name under which `build_tower` makes it.
        dim: Width of the embedding, D.
        dropout: On the pooled features before the projection, in training only.
        recompute: Compute activations anew in the backward pass, in training only.
    """

    kind: ClassVar[str]
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
