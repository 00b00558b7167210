"""Sums, means, norms and extremes over axes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ralikit.runtimes.mil.kernels.registry import KERNELS, Kernel, ints

Reduce = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, dims: list[int], keep: bool) -> Tensor:
    for dim in sorted(dims, reverse=True):
        x = x.prod(dim=dim, keepdim=keep)
    return x


_REDUCTIONS: dict[str, Reduce] = {
    "reduce_mean": lambda x, dims, keep: x.mean(dim=dims, keepdim=keep),
    "reduce_sum": lambda x, dims, keep: x.sum(dim=dims, keepdim=keep),
    "reduce_max": lambda x, dims, keep: x.amax(dim=dims, keepdim=keep),
    "reduce_min": lambda x, dims, keep: x.amin(dim=dims, keepdim=keep),
    "reduce_prod": _product,
    "reduce_l1_norm": lambda x, dims, keep: x.abs().sum(dim=dims, keepdim=keep),
    "reduce_l2_norm": lambda x, dims, keep: x.square().sum(dim=dims, keepdim=keep).sqrt(),
    "reduce_sum_square": lambda x, dims, keep: x.square().sum(dim=dims, keepdim=keep),
    "reduce_log_sum": lambda x, dims, keep: x.sum(dim=dims, keepdim=keep).log(),
    "reduce_log_sum_exp": lambda x, dims, keep: torch.logsumexp(x, dim=dims, keepdim=keep),
}


def _over_axes(function: Reduce) -> Kernel:
    def run(x: Tensor, axes: Tensor | None = None, *, keep_dims: bool = False) -> Tensor:
        dims = range(x.dim()) if axes is None else ints(axes)
        return function(x, [a % x.dim() for a in dims], keep_dims)

    return run


def _where(function: Callable[..., Tensor]) -> Kernel:
    def run(
        x: Tensor, axis: int = -1, *, keep_dims: bool = False, output_dtype: str = "int32"
    ) -> Tensor:
        del output_dtype  # the program casts to the type it declares
        return function(x, dim=axis, keepdim=keep_dims).to(torch.int32)

    return run


KERNELS.update({name: _over_axes(function) for name, function in _REDUCTIONS.items()})
KERNELS["reduce_argmax"] = _where(torch.argmax)
KERNELS["reduce_argmin"] = _where(torch.argmin)
