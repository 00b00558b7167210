"""Values a compressed weight may take, and the choice among them that loses least.

A grid fixes what a weight of few bits can be: whole multiples of a step, or the entries of a
palette. Which entry each weight gets is `ralikit.export.quantise.gptq`'s to choose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

_SHRINK = (1.0, 0.95, 0.9, 0.85, 0.8)
_ROUNDS = 30


class WeightGrid(Protocol):
    """What each entry of a weight, seen as (C_out, n), may be."""

    def codes(self, values: Tensor, column: int) -> Tensor:
        """Codes of the entries nearest to one column's values, (C_out,)."""
        ...

    def values(self, codes: Tensor, column: int) -> Tensor:
        """Values of one column's codes, (C_out,), in their type."""
        ...

    def nearest(self, weight: Tensor) -> Tensor:
        """Codes of the entries nearest to a whole weight, (C_out, n)."""
        ...


@dataclass(frozen=True, eq=False)
class LinearGrid:
    """Whole multiples, -limit..limit, of a step.

    Attributes:
        steps: (C_out, blocks); a block is n / blocks consecutive columns.
        columns: n.
        limit: Largest code.
        peaks: Column of each output's largest weight, (C_out,), whose code stays at the limit; then
            whoever derives the step from the rounded weights finds this one. None: none does.
    """

    steps: Tensor
    columns: int
    limit: int
    peaks: Tensor | None = None

    @cached_property
    def _by_block(self) -> Tensor:
        return self.steps.float().T.contiguous()

    def _step(self, column: int, like: Tensor) -> Tensor:
        return self._by_block[column * self.steps.shape[1] // self.columns].to(like.dtype)

    def codes(self, values: Tensor, column: int) -> Tensor:
        """See `WeightGrid`."""
        codes = torch.round(values / self._step(column, values)).clamp_(-self.limit, self.limit)
        if self.peaks is not None:
            codes = torch.where(self.peaks == column, self.limit * values.sign(), codes)
        return codes

    def values(self, codes: Tensor, column: int) -> Tensor:
        """See `WeightGrid`."""
        return codes * self._step(column, codes)

    def nearest(self, weight: Tensor) -> Tensor:
        """See `WeightGrid`."""
        parts = weight.view(*self.steps.shape, -1)
        rounded = torch.round(parts / self.steps[..., None].to(weight.dtype))
        return rounded.clamp_(-self.limit, self.limit).view_as(weight)


@dataclass(frozen=True, eq=False)
class PaletteGrid:
    """Entries of a palette of float16 values, one palette for each group of output channels.

    Attributes:
        tables: (groups, size), each ascending.
    """

    tables: Tensor

    @cached_property
    def _entries(self) -> Tensor:
        return self.tables.float().contiguous()  # a float16 entry is exact

    @cached_property
    def _middles(self) -> Tensor:
        return ((self._entries[:, 1:] + self._entries[:, :-1]) / 2).contiguous()

    def codes(self, values: Tensor, column: int) -> Tensor:
        """See `WeightGrid`."""
        del column  # a palette is the same for all columns
        return self.nearest(values)

    def values(self, codes: Tensor, column: int) -> Tensor:
        """See `WeightGrid`."""
        del column
        places = codes.view(len(self.tables), -1).long()
        return self._entries.gather(1, places).to(codes.dtype).view_as(codes)

    def nearest(self, weight: Tensor) -> Tensor:
        """See `WeightGrid`."""
        groups = weight.reshape(len(self.tables), -1).to(self._middles.dtype)
        places = torch.searchsorted(self._middles, groups.contiguous())
        return places.view_as(weight).to(weight.dtype)


def linear_grid(weight: Tensor, *, bits: int, block: int | None) -> LinearGrid:
    """Steps for a weight (C_out, n): a channel's or block's largest value gets the largest code.

    With few bits that value may be cut a little, where the squared error is smaller for it.
    """
    limit = 2 ** (bits - 1) - 1
    rows, columns = weight.shape
    parts = weight.detach().float().view(rows, columns // (block or columns), -1)
    peak = parts.abs().amax(dim=-1, keepdim=True)
    best = torch.full_like(peak, float("inf"))
    steps = torch.ones_like(peak)
    for shrink in _SHRINK if bits < 8 else (1.0,):
        step = (peak * shrink / limit).half().float()
        step[step == 0] = 1.0  # a dead channel: every code is 0 anyway
        rounded = torch.round(parts / step).clamp(-limit, limit) * step
        error = (parts - rounded).square().sum(dim=-1, keepdim=True)
        steps = torch.where(error < best, step, steps)
        best = torch.minimum(error, best)
    return LinearGrid(steps=steps[..., 0], columns=columns, limit=limit)


def int8_grid(weight: Tensor, steps: Tensor) -> LinearGrid:
    """The grid of a target that derives the steps from the weights it is given.

    Args:
        weight: (C_out, n).
        steps: ``max |w| / 127`` of every output, (C_out,), float32.
    """
    peaks = weight.detach().abs().argmax(dim=1)
    return LinearGrid(steps=steps[:, None], columns=weight.shape[1], limit=127, peaks=peaks)


def palette_grid(weight: Tensor, *, bits: int, group: int | None) -> PaletteGrid:
    """Palettes for a weight (C_out, n): k-means in one dimension, started at the quantiles."""
    rows = len(weight)
    parts = weight.detach().float().reshape(rows // (group or rows), -1).numpy()
    tables = np.stack([_k_means(part, 2**bits) for part in parts])
    return PaletteGrid(tables=torch.from_numpy(tables))


def _k_means(values: Array, size: int) -> Array:
    # Lloyd's algorithm on sorted values: a cluster is a run, its sum a difference of running sums.
    values = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.round((np.arange(size) + 0.5) / size * (len(values) - 1)).astype(np.intp)
    centres = values[places].astype(np.float64)
    for _ in range(_ROUNDS):
        middles = (centres[1:] + centres[:-1]) / 2
        edges = np.searchsorted(values, middles.astype(values.dtype))
        edges = np.concatenate([[0], edges, [len(values)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.sort(np.where(counts > 0, means, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres.astype(np.float16).astype(np.float64)


def nearest(weight: Tensor, grid: WeightGrid) -> Tensor:
    """Codes of the nearest entries, (C_out, n)."""
    return grid.nearest(weight.detach().float())
