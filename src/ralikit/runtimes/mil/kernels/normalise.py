"""Normalisations."""

from __future__ import annotations

import torch
from torch import Tensor

from ralikit.runtimes.mil.kernels.registry import ints, kernel


@kernel("layer_norm")
def layer_norm(
    x: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Zero mean and unit variance over `axes`, then gamma and beta of the shape of those axes."""
    dims = sorted(a % x.dim() for a in (ints(axes) if axes is not None else range(x.dim())))
    centred = x - x.mean(dim=dims, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(dim=dims, keepdim=True) + epsilon)
    shape = [extent if axis in dims else 1 for axis, extent in enumerate(x.shape)]
    if gamma is not None:
        result = result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


@kernel("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """A fixed mean, variance, gamma and beta for every channel (axis 1)."""
    shape = (1, -1, *[1] * (x.dim() - 2))
    gain = torch.rsqrt(variance + epsilon) * (1.0 if gamma is None else gamma)
    result = (x - mean.view(shape)) * gain.view(shape)
    return result if beta is None else result + beta.view(shape)


@kernel("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    """layer_norm over the positions, with gamma and beta for every channel (axis 1)."""
    shape = (1, -1, *[1] * (x.dim() - 2))
    result = layer_norm(x, torch.arange(2, x.dim()), epsilon=epsilon)
    if gamma is not None:
        result = result * gamma.view(shape)
    return result if beta is None else result + beta.view(shape)


@kernel("l2_norm")
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Unit norm over the last three axes."""
    return x * torch.rsqrt(x.square().sum(dim=(-3, -2, -1), keepdim=True) + epsilon)
