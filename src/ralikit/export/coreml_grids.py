"""Values a compressed weight may take, and the choice among them that loses least.

A grid fixes what a weight of few bits can be: whole multiples of a step, or the entries of a
palette. Rounding then goes column by column, each error made up for by the columns still to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

_DAMPING = 0.01
_SHRINK = (1.0, 0.95, 0.9, 0.85, 0.8)
_ROUNDS = 30


class Grid(Protocol):
    """What each entry of a weight, seen as (C_out, n), may be."""

    def codes(self, values: Tensor, column: int) -> Tensor:
        """Codes of the entries nearest to one column's values, (C_out,)."""
        ...

    def values(self, codes: Tensor, column: int) -> Tensor:
        """Float64 values of one column's codes, (C_out,)."""
        ...


@dataclass(frozen=True, eq=False)
class LinearGrid:
    """Whole multiples, -limit..limit, of a float16 step.

    Attributes:
        steps: (C_out, blocks); a block is n / blocks consecutive columns.
        columns: n.
        limit: Largest code.
    """

    steps: Tensor
    columns: int
    limit: int

    def _step(self, column: int) -> Tensor:
        return self.steps[:, column * self.steps.shape[1] // self.columns].double()

    def codes(self, values: Tensor, column: int) -> Tensor:
        """See `Grid`."""
        return torch.round(values / self._step(column)).clamp_(-self.limit, self.limit)

    def values(self, codes: Tensor, column: int) -> Tensor:
        """See `Grid`."""
        return codes * self._step(column)


@dataclass(frozen=True, eq=False)
class PaletteGrid:
    """Entries of a palette of float16 values, one palette for each group of output channels.

    Attributes:
        tables: (groups, size), each ascending.
        rows: C_out; a group is C_out / groups consecutive rows.
    """

    tables: Tensor
    rows: int

    def _of_rows(self) -> Tensor:
        return self.tables.double().repeat_interleave(self.rows // len(self.tables), dim=0)

    def codes(self, values: Tensor, column: int) -> Tensor:
        """See `Grid`."""
        del column  # a palette is the same for all columns
        tables = self._of_rows()
        middles = (tables[:, 1:] + tables[:, :-1]) / 2
        return torch.searchsorted(middles, values[:, None].contiguous())[:, 0].double()

    def values(self, codes: Tensor, column: int) -> Tensor:
        """See `Grid`."""
        del column
        return self._of_rows().gather(1, codes.long()[:, None])[:, 0]


def linear_grid(weight: Tensor, *, bits: int, block: int | None) -> LinearGrid:
    """Steps for a weight (C_out, n): a channel's or block's largest value gets the largest code.

    With few bits that value may be cut a little, where the squared error is smaller for it.
    """
    limit = 2 ** (bits - 1) - 1
    rows, columns = weight.shape
    parts = weight.double().view(rows, columns // (block or columns), -1)
    peak = parts.abs().amax(dim=-1, keepdim=True)
    best = torch.full_like(peak, float("inf"))
    steps = torch.ones_like(peak)
    for shrink in _SHRINK if bits < 8 else (1.0,):
        step = (peak * shrink / limit).half().double()
        step[step == 0] = 1.0  # a dead channel: every code is 0 anyway
        rounded = torch.round(parts / step).clamp(-limit, limit) * step
        error = (parts - rounded).square().sum(dim=-1, keepdim=True)
        steps = torch.where(error < best, step, steps)
        best = torch.minimum(error, best)
    return LinearGrid(steps=steps[..., 0], columns=columns, limit=limit)


def palette_grid(weight: Tensor, *, bits: int, group: int | None) -> PaletteGrid:
    """Palettes for a weight (C_out, n): k-means in one dimension, started at the quantiles."""
    rows = len(weight)
    parts = weight.detach().double().view(rows // (group or rows), -1).numpy()
    tables = np.stack([_k_means(part, 2**bits) for part in parts])
    return PaletteGrid(tables=torch.from_numpy(tables), rows=rows)


def _k_means(values: Array, size: int) -> Array:
    # Lloyd's algorithm on sorted values: a cluster is a run, its sum a difference of running sums.
    values = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.quantile(values, (np.arange(size) + 0.5) / size)
    for _ in range(_ROUNDS):
        edges = np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(values)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.sort(np.where(counts > 0, means, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres.astype(np.float16).astype(np.float64)


def nearest(weight: Tensor, grid: Grid) -> Tensor:
    """Codes of the nearest entries, (C_out, n)."""
    work = weight.double()
    return torch.stack([grid.codes(work[:, i], i) for i in range(work.shape[1])], dim=1)


def compensated(weight: Tensor, grid: Grid, gram: Tensor) -> Tensor:
    """Codes chosen so that the layer's output, not each weight, is closest.

    GPTQ (Frantar et al. 2022, section 3): with the inputs' second moments H, the error of a column
    is spread over the columns still to come along a row of the Cholesky factor of H^-1. Inputs that
    vary most go first, when most columns are left to make up for them.

    Args:
        weight: (C_out, n).
        grid: What may be stored.
        gram: Second moments of the inputs, (n, n), any scale.

    Returns:
        Codes, (C_out, n).
    """
    order = torch.argsort(gram.diagonal(), descending=True, stable=True)
    work = weight.double()[:, order]
    h = gram.double()[order][:, order]
    h.diagonal().add_(_DAMPING * float(h.diagonal().mean()) + 1e-12)
    factor = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    codes = torch.empty_like(work)
    for i, column in enumerate(order.tolist()):
        chosen = grid.codes(work[:, i], column)
        error = (work[:, i] - grid.values(chosen, column)) / factor[i, i]
        work[:, i + 1 :] -= error[:, None] * factor[i, i + 1 :]
        codes[:, column] = chosen
    return codes
