"""Operations that move values without changing them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ralikit.runtimes.mil.kernels.registry import Operand, ints, kernel


@kernel("transpose")
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """Axes in another order."""
    return x.permute(ints(perm))


@kernel("reshape")
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """Another shape; -1 is worked out, 0 keeps the extent that stood there."""
    extents = [x.shape[axis] if n == 0 else n for axis, n in enumerate(ints(shape))]
    return x.reshape(extents)


@kernel("squeeze")
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without the axes of extent 1, all or those named."""
    return x.squeeze() if axes is None else x.squeeze(tuple(ints(axes)))


@kernel("expand_dims")
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """New axes of extent 1, at these places of the result."""
    rank = x.dim() + len(ints(axes))
    for axis in sorted(a % rank for a in ints(axes)):
        x = x.unsqueeze(axis)
    return x


@kernel("concat")
def concat(values: tuple[Tensor, ...], axis: int, *, interleave: bool = False) -> Tensor:
    """One after the other along an axis, or in turns."""
    if not interleave:
        return torch.cat(values, dim=axis)
    axis %= values[0].dim()
    return torch.stack(values, dim=axis + 1).flatten(axis, axis + 1)


@kernel("stack")
def stack(values: tuple[Tensor, ...], axis: int) -> Tensor:
    """Along a new axis."""
    return torch.stack(values, dim=axis)


@kernel("split")
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Consecutive parts along an axis, of given or equal sizes."""
    if split_sizes is not None:
        return torch.split(x, ints(split_sizes), dim=axis)
    if num_splits is None:
        raise NotImplementedError("split without a number or sizes")
    return torch.split(x, x.shape[axis] // num_splits, dim=axis)


@kernel("slice_by_index")
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """x[begin:end:stride] on every axis; masks ignore a bound or drop the axis."""
    rank = x.dim()
    steps = [1] * rank if stride is None else ints(stride)
    from_start, to_end, drop = (
        [False] * rank if mask is None else [bool(m) for m in mask.tolist()]
        for mask in (begin_mask, end_mask, squeeze_mask)
    )
    for axis, (first, last) in enumerate(zip(ints(begin), ints(end), strict=True)):
        extent = x.shape[axis]
        if drop[axis]:
            places = [first % extent]
        else:
            bounds = slice(
                None if from_start[axis] else first, None if to_end[axis] else last, steps[axis]
            )
            places = list(range(*bounds.indices(extent)))
        x = _take(x, axis, places)
    return x.squeeze(tuple(axis for axis in range(rank) if drop[axis])) if any(drop) else x


def _take(x: Tensor, axis: int, places: list[int]) -> Tensor:
    step = places[1] - places[0] if len(places) > 1 else 1
    if not places or step < 0:  # torch slices forwards only
        return x.index_select(axis, torch.tensor(places, dtype=torch.int64))
    return x[(*[slice(None)] * axis, slice(places[0], places[-1] + 1, step))]


@kernel("slice_by_size")
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """`size` values from `begin` on every axis; -1 takes all that follow."""
    for axis, (first, count) in enumerate(zip(ints(begin), ints(size), strict=True)):
        start = first % x.shape[axis] if first < 0 else first
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


@kernel("gather")
def gather(
    x: Tensor,
    indices: Operand,
    axis: int = 0,
    batch_dims: int = 0,
    *,
    validate_indices: bool = False,
) -> Tensor:
    """Slices of x along an axis, in the order of `indices`."""
    del validate_indices  # torch always checks
    if batch_dims:
        raise NotImplementedError("gather with batch_dims")
    places = torch.as_tensor(indices).to(torch.int64)
    axis %= x.dim()
    places = torch.where(places < 0, places + x.shape[axis], places)
    taken = x.index_select(axis, places.reshape(-1))
    return taken.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


@kernel("gather_along_axis")
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: int = 0, *, validate_indices: bool = False
) -> Tensor:
    """One value of x for every index, along an axis."""
    del validate_indices  # torch always checks
    places = indices.to(torch.int64)
    return torch.take_along_dim(x, torch.where(places < 0, places + x.shape[axis], places), axis)


@kernel("tile")
def tile(x: Tensor, reps: Tensor) -> Tensor:
    """x repeated along every axis."""
    return x.repeat(ints(reps))


@kernel("pad")
def pad(x: Tensor, pad: Tensor, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """Values around x: pairs before and after for its last axes."""
    sides = ints(pad)
    pairs = [(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)]
    if mode == "constant":
        flat = [n for pair in reversed(pairs) for n in pair]
        return F.pad(x, flat, value=float(constant_val))
    first = x.dim() - len(pairs)
    for axis, (before, after) in enumerate(pairs, start=first):
        extent = x.shape[axis]
        places = torch.arange(-before, extent + after)
        if mode == "reflect":
            places = places.abs()
            places = torch.where(places >= extent, 2 * (extent - 1) - places, places)
        x = x.index_select(axis, places.clamp(0, extent - 1))
    return x


@kernel("reverse")
def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Back to front along the axes, or all."""
    return x.flip(ints(axes) if axes is not None else list(range(x.dim())))


@kernel("shape")
def shape(x: Tensor) -> Tensor:
    """The extents."""
    return torch.tensor(x.shape, dtype=torch.int32)


@kernel("fill")
def fill(shape: Tensor, value: float = 0.0) -> Tensor:
    """One value everywhere."""
    kind = torch.int32 if isinstance(value, int) else torch.float32
    return torch.full(ints(shape), value, dtype=kind)


@kernel("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Channels to positions."""
    return F.pixel_shuffle(x, upscale_factor)


@kernel("cumsum")
def cumsum(x: Tensor, axis: int = 0, *, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Running sum along an axis."""
    source = x.flip(axis) if reverse else x
    total = source.cumsum(axis)
    total = total - source if exclusive else total
    return total.flip(axis) if reverse else total
