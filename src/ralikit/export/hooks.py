"""What rounding layers one after another needs of hooks on them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def run_hooked(tower: nn.Module, pixels: Tensor, handles: Sequence[RemovableHandle]) -> None:
    """Run a tower once, for what its hooks do, and take the hooks away whatever happens."""
    try:
        tower(pixels)
    finally:
        for handle in handles:
            handle.remove()


def channel_means(module: nn.Conv2d | nn.Linear, output: Tensor) -> Tensor:
    """Mean of every output channel over everything else, (C_out,)."""
    channels = output.movedim(1, -1) if isinstance(module, nn.Conv2d) else output
    return channels.flatten(0, -2).mean(0)
