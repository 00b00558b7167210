"""Tensors inside a tower whose channels can be evened out, its embeddings staying as they are.

Dividing channel c of a tensor by s_c and multiplying the weights that read it by s_c changes
nothing. Where that is so, and what takes the division, only the tower can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Channels:
    """One such tensor.

    Attributes:
        readers: Names in the tower of the linear layers that read it.
        divider: Name of the module that takes the division.
        by: How it does: ``"norm"``: a layer norm without gain, which gets one; ``"linear"``: the
            layer whose outputs, or averages of them, the tensor holds, by its rows; ``"gain"``: a
            module that multiplies by its buffer ``gain``, a multiplication spent on it.
    """

    readers: tuple[str, ...]
    divider: str
    by: Literal["norm", "linear", "gain"]


@torch.no_grad()
def divide_channels(tower: nn.Module, channels: Channels, scale: Tensor) -> None:
    """Divide a tensor's channels, and multiply the weights that read it, in place.

    Args:
        tower: What has it, rewritten, in evaluation mode.
        channels: Which one; undivided so far.
        scale: What each channel is divided by, (C,), > 0.
    """
    for name in channels.readers:
        tower.get_parameter(f"{name}.weight").mul_(scale)
    divider = tower.get_submodule(channels.divider)
    if channels.by == "gain":
        divider.gain = 1.0 / scale
    elif channels.by == "linear":
        given = dict(divider.named_parameters(recurse=False))
        given["weight"].div_(scale[:, None])
        if "bias" in given:
            given["bias"].div_(scale)
    else:
        assert isinstance(divider, nn.LayerNorm)  # noqa: S101 (declared)
        norm = nn.LayerNorm(divider.normalized_shape, eps=divider.eps, bias=False)
        norm.weight.copy_(1.0 / scale)
        tower.set_submodule(channels.divider, norm.requires_grad_(False).eval())
