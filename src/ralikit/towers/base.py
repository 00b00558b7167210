"""What every tower is: a torch module with an embedding width and a config of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn


class Tower(nn.Module):
    """Normalised RGB views in, one embedding a view out.

    Attributes:
        kind: Name under which `build_tower` makes it.
        dim: Width of the embedding, D.
    """

    kind: ClassVar[str]
    dim: int

    def config(self) -> dict[str, Any]:
        """Plain values from which `build_tower` makes the same architecture."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, S, S) float, normalised -> (B, D) float, not at unit norm."""
        raise NotImplementedError
