"""The steps of a linear grid are those that lose least among the stated shrinkings."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ralikit.export.quantise.weight_grids import linear_grid, nearest


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_step_loses_least_of_the_shrinkings(bits: int) -> None:
    rng = np.random.default_rng(bits)
    weight = rng.standard_t(3, size=(24, 64)).astype(np.float32)  # some channels have far values
    grid = linear_grid(torch.from_numpy(weight), bits=bits, block=16)
    limit = 2 ** (bits - 1) - 1
    chosen = set()
    for row in range(24):
        for block in range(4):
            part = weight[row, 16 * block : 16 * block + 16].astype(np.float64)
            steps = [
                float(np.float16(np.float32(np.abs(part).max() * shrink / limit)))
                for shrink in (1.0, 0.95, 0.9, 0.85, 0.8)
            ]
            errors = [
                np.square(part - np.clip(np.round(part / s), -limit, limit) * s).sum()
                for s in steps
            ]
            found = float(grid.steps[row, block])
            place = int(np.argmin(np.abs(np.array(steps) - found)))
            assert found == pytest.approx(steps[place], rel=2e-3)
            assert errors[place] <= min(errors) * (1 + 1e-3)
            chosen.add(place)
    assert len(chosen) > 2  # what is best differs from block to block
    codes = nearest(torch.from_numpy(weight), grid)
    assert int(codes.abs().max()) == limit


def test_eight_bits_are_not_shrunk_and_a_dead_channel_has_a_step() -> None:
    weight = torch.tensor([[1.27, -0.5], [0.0, 0.0]])
    grid = linear_grid(weight, bits=8, block=None)
    assert grid.steps[:, 0].tolist() == pytest.approx([0.01, 1.0], rel=1e-3)
    assert nearest(weight, grid).tolist() == [[127.0, -50.0], [0.0, 0.0]]
