"""Activations and softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ralikit.runtimes.mil.kernels.registry import KERNELS, Kernel, kernel

_PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softsign": F.softsign,
}


def _plain(function: Callable[[Tensor], Tensor]) -> Kernel:
    def run(x: Tensor) -> Tensor:
        return function(x)

    return run


KERNELS.update({name: _plain(function) for name, function in _PLAIN.items()})


@kernel("softplus")
def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), without overflow."""
    return torch.logaddexp(x, torch.zeros_like(x))


@kernel("leaky_relu")
def leaky_relu(x: Tensor, alpha: float = 0.01) -> Tensor:
    """x, or alpha x below 0."""
    return torch.where(x >= 0, x, alpha * x)


@kernel("elu")
def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x, or alpha (exp(x) - 1) below 0."""
    return F.elu(x, alpha)


@kernel("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """leaky_relu with a slope for every channel (axis 1)."""
    return F.prelu(x, alpha)


@kernel("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """leaky_relu, at most beta."""
    return torch.clamp_max(leaky_relu(x, alpha), beta)


@kernel("thresholded_relu")
def thresholded_relu(x: Tensor, alpha: float) -> Tensor:
    """x where it reaches alpha, else 0."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))


@kernel("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha x + beta."""
    return alpha * x + beta


@kernel("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha tanh(beta x)."""
    return alpha * torch.tanh(beta * x)


@kernel("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha x + beta, between 0 and 1."""
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


@kernel("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """Gaussian error linear unit, exact or one of its two approximations."""
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@kernel("softmax")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) scaled to sum 1 along an axis."""
    return torch.softmax(x, dim=axis)
