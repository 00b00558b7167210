"""A vision transformer laid out as Apple recommends for the neural engine; scores do not change.

See `ralikit.model.towers.channels_first`. Weights are rounded before they are laid out, and layers
keep their names, so both layouts store the same numbers.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn

from ralikit.model.folded import Folded


def neural_engine(folded: Folded) -> Folded:
    """A copy in this layout, with the original's own weights.

    Args:
        folded: A folded scorer with a transformer, lean or not (see `ralikit.model.rewrite`); it is
            not changed.

    Raises:
        TypeError: If its tower is no transformer.
    """
    other = copy.copy(folded)
    other._modules = dict(folded._modules)  # a shallow copy shares the table itself
    other.tower = folded.tower.channels_first()
    return other.eval().requires_grad_(False)


class LinearPatches(nn.Linear):
    """A patch convolution as a reshape and a linear layer: (B, 3, S, S) -> (B, C, N).

    No tensor has more than four axes: what a convolution of stride 14 is for a neural engine that
    wants strides of twos and threes, six axes would be for Core ML.
    """

    def __init__(self, source: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.patch = int(source.kernel_size[0])
        self.in_features, self.out_features = source.weight[0].numel(), len(source.weight)
        self.weight = nn.Parameter(source.weight.detach().flatten(1), requires_grad=False)
        bias = None if source.bias is None else nn.Parameter(source.bias, requires_grad=False)
        self.register_parameter("bias", bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Cut and embed patches, row by row."""
        batch, channels, height, width = pixels.shape
        edge = self.patch
        down, across = height // edge, width // edge
        if (height, width) != (down * edge, across * edge):
            pixels = pixels[:, :, : down * edge, : across * edge]
        rows = pixels.reshape(batch * channels * down, edge, across, edge)
        patches = rows.transpose(1, 2).reshape(batch, channels, down * across, edge * edge)
        tokens = patches.transpose(1, 2).reshape(batch, down * across, -1)
        return super().forward(tokens).transpose(1, 2)


def linear_patches(folded: Folded) -> Folded:
    """A copy whose transformer cuts its patches by a reshape and a linear layer; scores stay.

    Args:
        folded: A folded scorer with a transformer; it is not changed.

    Raises:
        TypeError: If its tower has no patch convolution.
    """
    conv = getattr(folded.tower, "patches", None)
    if not isinstance(conv, nn.Conv2d) or conv.kernel_size != conv.stride:
        raise TypeError(f"a {folded.tower.kind} tower has no patch convolution")
    other = _with_own_tower(folded)
    other.tower.patches = LinearPatches(conv)
    return other.eval()


def planar(folded: Folded) -> Folded:
    """A copy that takes (V, 3, S, S) instead of (V, S, S, 3); scores stay."""
    other = copy.copy(folded)
    other._modules = dict(folded._modules)
    other.planar = True
    return other.eval()


def _with_own_tower(folded: Folded) -> Folded:
    other = copy.copy(folded)
    other._modules = dict(folded._modules)
    other.tower = copy.copy(folded.tower)
    other.tower._modules = dict(folded.tower._modules)
    return other
