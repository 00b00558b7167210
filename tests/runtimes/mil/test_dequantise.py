"""Stored weights come back bit for bit as coremltools itself would restore them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support_mil import builder, target

from ralikit.runtimes.mil.dequantise import unpack_bits
from ralikit.runtimes.mil.program import materialise
from ralikit.runtimes.mil.silent import quiet_logs

Array = NDArray[Any]
RNG = np.random.default_rng(3)


def int8(*shape: int) -> Array:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def scales(*shape: int, kind: type = np.float16) -> Array:
    return np.asarray(RNG.uniform(1e-4, 0.3, shape)).astype(kind)


def packed(bits: int, count: int) -> Array:
    values = RNG.integers(0, 2**bits, count)
    flags = (values[:, None] >> np.arange(bits)) & 1
    return np.packbits(flags.astype(np.uint8).reshape(-1), bitorder="little")


def small(name: str, *shape: int) -> Array:
    """Numbers of coremltools' own 1- to 6-bit types."""
    from coremltools.converters.mil.mil import types

    kind = getattr(types, name)
    bounds = types.type_mapping.builtin_to_range(kind)
    values = RNG.integers(bounds.low, bounds.high + 1, shape)
    return values.astype(types.nptype_from_builtin(kind))


def operation(op: str, ios: int, **inputs: Any) -> Any:
    make = builder()
    from coremltools.converters.mil.mil import Function

    with quiet_logs(), Function({}, opset_version=target(ios)):
        return getattr(make, op)(**inputs).op


def check(op: Any) -> None:
    ours, theirs = materialise(op), op.materialized_val_inference()
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_affine_along_an_axis(axis: int, kind: type) -> None:
    data = int8(6, 6, 6)
    zero = RNG.integers(-5, 6, 6).astype(np.int8)
    check(
        operation(
            "constexpr_affine_dequantize",
            16,
            quantized_data=data,
            zero_point=zero,
            scale=scales(6, kind=kind),
            axis=np.int32(axis),
        )
    )


def test_affine_for_a_whole_tensor() -> None:
    data = RNG.integers(0, 256, (4, 5)).astype(np.uint8)
    check(
        operation(
            "constexpr_affine_dequantize",
            16,
            quantized_data=data,
            zero_point=np.uint8(131),
            scale=np.float16(0.0371),
            axis=np.int32(0),
        )
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
def test_palette_packed_into_bytes(bits: int) -> None:
    """35 indices: bytes are shared and the last one is not full."""
    check(
        operation(
            "constexpr_lut_to_dense",
            16,
            indices=packed(bits, 35),
            lut=RNG.normal(size=2**bits).astype(np.float16),
            shape=np.array([5, 7], np.uint32),
        )
    )


def test_bits_are_taken_from_the_lowest_up() -> None:
    """Core ML's documented example: 00 11 10 01 in the first byte, 11 in the second."""
    bytes_ = np.array([0b01101100, 0b00000011], np.uint8)
    assert unpack_bits(bytes_, 2, 5).tolist() == [0, 3, 2, 1, 3]


def test_sparse_packed_into_bytes() -> None:
    mask = RNG.integers(0, 2, 35).astype(np.uint8)
    check(
        operation(
            "constexpr_sparse_to_dense",
            16,
            nonzero_data=RNG.normal(size=int(mask.sum())).astype(np.float16),
            mask=np.packbits(mask, bitorder="little"),
            shape=np.array([5, 7], np.uint32),
        )
    )


@pytest.mark.parametrize("name", ["int4", "uint4", "int8"])
@pytest.mark.parametrize("offset", [False, True])
def test_blocks(name: str, offset: bool) -> None:
    inputs = {"data": small(name, 8, 12), "scale": scales(4, 3)}
    if offset:
        inputs["offset"] = small(name, 4, 3)
    check(operation("constexpr_blockwise_shift_scale", 18, **inputs))


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_palettes_for_groups(bits: int) -> None:
    lut = RNG.normal(size=(4, 1, 2**bits, 1)).astype(np.float16)
    indices = small(f"uint{bits}", 8, 6)
    check(operation("constexpr_lut_to_dense", 18, indices=indices, lut=lut))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_palettes_of_vectors(axis: int) -> None:
    lut = RNG.normal(size=(2, 1, 4, 3)).astype(np.float16)
    check(
        operation(
            "constexpr_lut_to_dense",
            18,
            indices=small("uint2", 4, 6),
            lut=lut,
            vector_axis=np.int32(axis),
        )
    )


def test_palette_of_integers_with_a_scale() -> None:
    """Joint compression: a palette whose entries are int8, dequantised afterwards."""
    make = builder()
    from coremltools.converters.mil.mil import Function

    with quiet_logs(), Function({}, opset_version=target(18)):
        inner = make.constexpr_lut_to_dense(indices=small("uint4", 8, 6), lut=int8(1, 1, 16, 1))
        op = make.constexpr_blockwise_shift_scale(data=inner, scale=scales(8, 1)).op
    check(op)
