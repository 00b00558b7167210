"""Rounding column by column, each error made up for by the columns still to come (GPTQ).

Frantar et al. 2022, section 3. Of our own because the published ones round to grids of their own:
here a grid can be whole multiples of a step, blocks of them, or a palette.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ralikit.export.quantise.weight_grids import WeightGrid

_DAMPING = 0.01
_TOGETHER = 128


@dataclass(frozen=True, eq=False)
class Spread:
    """What `compensated` needs of a layer's inputs; layers of one input can share it.

    Attributes:
        order: Columns in the order of their second moments, largest first, (n,): inputs that vary
            most go first, when most columns are left to make up for them.
        factor: The upper Cholesky factor R of the damped H^-1 = R^T R in that order, (n, n); its
            type is the one the errors are carried in.
    """

    order: Tensor
    factor: Tensor


def spread(gram: Tensor, *, dtype: torch.dtype = torch.float32) -> Spread:
    """How errors spread over a layer's columns, from its inputs' second moments H.

    Args:
        gram: H, (n, n), any scale.
        dtype: Of the factor.
    """
    order = torch.argsort(gram.diagonal(), descending=True, stable=True)
    h = gram[order][:, order]
    h.diagonal().add_(_DAMPING * float(h.diagonal().mean()) + 1e-12)
    # R = U^-1 where H = U U^T with U upper: Cholesky of H back to front, half an inversion's work.
    lower = torch.linalg.cholesky(h.flip(0, 1))
    eye = torch.eye(len(h), dtype=h.dtype)
    inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
    return Spread(order, inverse.flip(0, 1).to(dtype).contiguous())


def compensated(weight: Tensor, grid: WeightGrid, spread: Spread) -> Tensor:
    """Codes chosen so that the layer's output, not each weight, is closest.

    The error of a column is spread over the columns still to come along a row of the factor.
    Columns after the next 128 hear of the errors once for all 128 (section 3.3, step 2): the same
    codes up to rounding.

    Args:
        weight: (C_out, n).
        grid: What may be stored.
        spread: Of the layer's inputs.

    Returns:
        Codes, (C_out, n), float64.
    """
    factor = spread.factor
    # (n, C_out): a column lies in one piece
    work = weight.detach().to(factor.dtype).T[spread.order].contiguous()
    codes = torch.empty_like(work)
    for first in range(0, len(work), _TOGETHER):
        last = min(first + _TOGETHER, len(work))
        part, near = work[first:last], factor[first:last, first:last]
        errors = torch.empty_like(part)
        for i, column in enumerate(spread.order[first:last].tolist()):
            chosen = grid.codes(part[i], column)
            codes[column] = chosen
            errors[i] = (part[i] - grid.values(chosen, column)) / near[i, i]
            part[i + 1 :].addr_(near[i, i + 1 :], errors[i], alpha=-1.0)
        work[last:].addmm_(factor[first:last, last:].T, errors, alpha=-1.0)
    return codes.T.double()
