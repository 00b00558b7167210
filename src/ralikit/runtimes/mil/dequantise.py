"""Compressed weights as Core ML defines them: integers, palettes and blocks back to floats.

numpy, in the order of operations that coremltools' own `materialized_val_inference` uses, so that
the results are equal bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def affine(
    quantized_data: Array, zero_point: Array, scale: Array, axis: int | np.integer[Any]
) -> Array:
    """iOS 16 affine: scale * (data - zero_point), both per tensor or along `axis`."""
    scale, zero_point = np.asarray(scale), np.asarray(zero_point)
    shape = [1] * quantized_data.ndim
    shape[int(axis)] = -1
    if zero_point.ndim:
        zero_point = zero_point.reshape(shape)
    wide = quantized_data.astype(np.float32) - zero_point.astype(np.float32)
    wide *= scale.reshape(shape) if scale.ndim else scale
    return wide.astype(scale.dtype)


def blockwise(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """iOS 18 affine: one scale (and offset) for every block; block edges divide the shape."""
    data = data.astype(scale.dtype)
    blocks = [extent // count for extent, count in zip(data.shape, scale.shape, strict=True)]
    if offset is not None:
        data = data - _spread(offset, blocks)
    result: Array = _spread(scale, blocks) * data
    return result


def palette_16(indices: Array, lut: Array, shape: Array) -> Array:
    """iOS 16 palette: indices packed from the lowest bit up, one table for the whole tensor."""
    bits = int(math.log2(lut.size))
    count = int(np.prod(shape))
    return lut[unpack_bits(indices, bits, count)].reshape(tuple(int(n) for n in shape))


def palette(indices: Array, lut: Array, vector_axis: int | np.integer[Any] | None = None) -> Array:
    """iOS 18 palette: tables for groups of the tensor, each entry a number or a short vector.

    Args:
        indices: Indices into the tables, any shape.
        lut: (*groups, palette size, vector length); groups divide the shape of `indices`.
        vector_axis: Where a vector's numbers go; without meaning when the length is 1.
    """
    length = lut.shape[-1]
    groups = lut.shape[:-2]
    places = np.indices(indices.shape, sparse=True)
    which = tuple(
        place // (extent // count)
        for place, extent, count in zip(places, indices.shape, groups, strict=True)
    )
    dense: Array = lut[(*which, indices.astype(np.intp))]  # (*indices.shape, length)
    if length == 1:
        return dense[..., 0]
    axis = int(vector_axis or 0) % indices.ndim
    moved = np.moveaxis(dense, -1, axis + 1)
    shape = list(indices.shape)
    shape[axis] *= length
    return moved.reshape(shape)


def sparse_16(nonzero_data: Array, mask: Array, shape: Array) -> Array:
    """iOS 16 sparse: a bit for every element, set where a value follows."""
    extents = tuple(int(n) for n in shape)
    bits = unpack_bits(mask, 1, int(np.prod(extents)))
    return sparse(nonzero_data, bits.reshape(extents))


def sparse(nonzero_data: Array, mask: Array) -> Array:
    """iOS 18 sparse: the mask has the shape of the tensor."""
    dense = np.zeros(mask.shape, dtype=nonzero_data.dtype)
    dense[mask != 0] = nonzero_data
    return dense


def cast(source_val: Array, output_dtype: str) -> Array:
    """float16 stored, float32 used."""
    del output_dtype  # float32 is the only one there is
    return source_val.astype(np.float32)


def unpack_bits(packed: Array, bits: int, count: int) -> Array:
    """Unsigned numbers of `bits` bits, packed from the lowest bit of the first byte up."""
    flags = np.unpackbits(packed.view(np.uint8), bitorder="little", count=bits * count)
    if bits <= 8:  # a byte each: packbits fills up with zeros
        result: Array = np.packbits(flags.reshape(count, bits), axis=1, bitorder="little")[:, 0]
        return result.astype(np.intp)
    weights = (1 << np.arange(bits)).astype(np.uint32)
    numbers: Array = (flags.reshape(count, bits) * weights).sum(axis=1).astype(np.intp)
    return numbers


DECODERS: dict[str, Callable[..., Array]] = {
    "constexpr_affine_dequantize": affine,
    "constexpr_blockwise_shift_scale": blockwise,
    "constexpr_cast": cast,
}
"""By operation, where one name means one layout; see `decoder` for the others."""


def decoder(op_type: str, inputs: set[str]) -> Callable[..., Array] | None:
    """The function for an operation; palettes and masks changed their layout with iOS 18."""
    if op_type == "constexpr_lut_to_dense":
        return palette_16 if "shape" in inputs else palette
    if op_type == "constexpr_sparse_to_dense":
        return sparse_16 if "shape" in inputs else sparse
    return DECODERS.get(op_type)


def _spread(values: Array, blocks: list[int]) -> Array:
    for axis, block in enumerate(blocks):
        if block > 1:
            values = np.repeat(values, block, axis)
    return values
