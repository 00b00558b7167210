"""Sums and means of int8 tensors are never halfway between steps: all kernels round them alike."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ralikit.export.quantise.activation_grid import ActivationGrid
from ralikit.export.quantise.ties import grid_of_mean, grid_of_sum, grid_to_add

Whole = NDArray[np.int64]
STEPS = [tuple(row) for row in np.random.default_rng(3).uniform(0.3, 3.0, (12, 3))]


def sums(
    first: ActivationGrid, second: ActivationGrid, result: ActivationGrid
) -> NDArray[np.float64]:
    """Exact sums of all pairs of values, (256, 256), in steps of the result."""
    a = (np.arange(256)[:, None] - first.zero) * (first.step / result.step)
    b = (np.arange(256)[None, :] - second.zero) * (second.step / result.step)
    return a + b


def from_halfway(exact: NDArray[np.float64]) -> float:
    """How near the nearest of some values is to halfway between two whole numbers."""
    return float(np.abs(exact - np.floor(exact) - 0.5).min())


def on_x86(first: ActivationGrid, second: ActivationGrid, result: ActivationGrid) -> Whole:
    """Multiply and add in one rounding."""
    ra, rb = (np.float32(g.step) / np.float32(result.step) for g in (first, second))
    fixed = np.float32(result.zero) - np.float32(first.zero * ra + second.zero * rb)
    inner = (np.arange(256)[:, None] * np.float64(ra) + fixed).astype(np.float32)
    return _clipped((inner + np.arange(256)[None, :] * np.float64(rb)).astype(np.float32))


def on_webassembly(first: ActivationGrid, second: ActivationGrid, result: ActivationGrid) -> Whole:
    """Multiply, round, add, round."""
    ra, rb = (np.float32(g.step) / np.float32(result.step) for g in (first, second))
    fixed = np.float32(result.zero) - np.float32(first.zero * ra + second.zero * rb)
    left = np.arange(256, dtype=np.float32)[:, None] * ra + fixed
    return _clipped(left + np.arange(256, dtype=np.float32)[None, :] * rb)


def on_arm(first: ActivationGrid, second: ActivationGrid, result: ActivationGrid) -> Whole:
    """Fixed point of 20 binary places, halves upwards."""
    ra, rb = (round(g.step / result.step * 2**20) for g in (first, second))
    q = np.arange(256)
    exact = (q[:, None] - first.zero) * ra + (q[None, :] - second.zero) * rb
    return np.clip(((exact + 2**19) >> 20) + result.zero, 0, 255)


def unfused(first: ActivationGrid, second: ActivationGrid, result: ActivationGrid) -> Whole:
    """Dequantise, add, quantise: what a runtime without integer kernels does."""
    q = np.arange(256)
    a = (q - first.zero).astype(np.float32)[:, None] * np.float32(first.step)
    b = (q - second.zero).astype(np.float32)[None, :] * np.float32(second.step)
    return _clipped(((a + b) / np.float32(result.step) + result.zero).astype(np.float32))


KERNELS = (on_x86, on_webassembly, on_arm, unfused)


def _clipped(values: NDArray[np.float32]) -> Whole:
    whole: Whole = np.clip(np.rint(values), 0, 255).astype(np.int64)
    return whole


@pytest.mark.parametrize("steps", STEPS)
def test_no_sum_is_halfway_and_every_kernel_gives_the_same(steps: tuple[float, ...]) -> None:
    zeros = (131, 90, 128)
    first, second, wanted = (ActivationGrid(s, zero) for s, zero in zip(steps, zeros, strict=True))
    second = grid_to_add(second, first)
    result = grid_of_sum(wanted, first, second)
    for order in (sums(first, second, result), sums(second, first, result)):
        assert from_halfway(order) > 4e-4
    expected = KERNELS[0](first, second, result)
    for kernel in KERNELS[1:]:
        np.testing.assert_array_equal(kernel(first, second, result), expected)


def test_kernels_part_where_steps_are_left_as_they_come() -> None:
    # The steps of a residual block of the bundled model before they were moved: 29 and 126 add up
    # to 50.5000026 steps, which x86 rounded down and WebAssembly up.
    first = ActivationGrid(float(np.float32(4.710566997528076)), 122)
    second = ActivationGrid(float(np.float32(5.486775875091553)), 128)
    result = ActivationGrid(float(np.float32(5.794274806976318)), 128)
    exact = sums(first, second, result)[29, 126] + result.zero
    assert exact == pytest.approx(50.5, abs=1e-5)
    kernels = [kernel(first, second, result) for kernel in KERNELS]
    assert any((kernel != kernels[0]).any() for kernel in kernels[1:])


@pytest.mark.parametrize("steps", STEPS)
def test_steps_hardly_move(steps: tuple[float, ...]) -> None:
    first, second, wanted = (ActivationGrid(step, 128) for step in steps)
    moved = grid_to_add(second, first)
    assert moved.step == pytest.approx(second.step, rel=1 / 256)
    assert grid_of_sum(wanted, first, moved).step == pytest.approx(wanted.step, rel=1 / 128)
    assert moved.zero == second.zero


def test_a_step_far_below_its_partner_s_is_widened_to_a_256th_of_it() -> None:
    large, tiny = ActivationGrid(1.0, 128), ActivationGrid(1e-5, 128)
    assert grid_to_add(tiny, large).step == pytest.approx(1 / 256)
    assert grid_to_add(large, tiny).step == pytest.approx(256e-5)


def test_a_sum_of_two_tensors_that_were_fixed_before_keeps_its_grid() -> None:
    result = ActivationGrid(0.9, 128)
    assert (
        grid_of_sum(result, ActivationGrid(1.0, 128), ActivationGrid(float(np.sqrt(0.5)), 128))
        == result
    )


@pytest.mark.parametrize("count", [1, 49, 64, 144])
@pytest.mark.parametrize("share", [1.0, 0.7, 0.31])
def test_no_mean_is_halfway(count: int, share: float) -> None:
    source = ActivationGrid(float(np.float32(6 / 255)), 0)
    result = grid_of_mean(ActivationGrid(share * source.step, 0), source, count)
    means = np.arange(255 * count + 1, dtype=np.float64) * (source.step / count / result.step)
    assert from_halfway(means) > 4e-4
    assert result.step == pytest.approx(share * source.step, rel=1 / 128)


def test_means_on_their_source_s_own_grid_are_often_halfway() -> None:
    source = ActivationGrid(6 / 255, 0)
    assert from_halfway(np.arange(255 * 64 + 1) / 64) == 0.0
    assert grid_of_mean(source, source, 64).step != source.step
