"""Few bits a weight: the grids are right, and photos make up for what rounding loses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support_tflite import made_photos, tiny_request, torch_scores
from torch import Tensor

from ralikit.export.quantise.gptq import compensated, spread
from ralikit.export.quantise.weight_grids import (
    WeightGrid,
    linear_grid,
    nearest,
    palette_grid,
)
from ralikit.export.targets.coreml.compress import compress
from ralikit.export.targets.coreml.schemes import chosen_layers, plan
from ralikit.model.towers.mobilenet_v2 import MobileNetV2

PRECISIONS = ("int8", "pal6", "pal4", "int4")


def restored(codes: Tensor, grid: WeightGrid) -> Tensor:
    return torch.stack([grid.values(codes[:, i], i) for i in range(codes.shape[1])], dim=1)


def weight(rows: int = 6, columns: int = 8) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(1))


def test_int8_is_off_by_half_a_step_at_most() -> None:
    w = weight()
    grid = linear_grid(w, bits=8, block=None)
    codes = nearest(w, grid)
    assert codes.abs().max() <= 127
    assert ((restored(codes, grid) - w).abs() <= 0.51 * grid.steps).all()


def test_a_block_has_its_own_step() -> None:
    w = weight()
    w[:, 4:] *= 100
    grid = linear_grid(w, bits=4, block=4)
    assert grid.steps.shape == (6, 2)
    assert (grid.steps[:, 1] > 10 * grid.steps[:, 0]).all()
    assert nearest(w, grid).abs().max() <= 7


def test_a_dead_channel_stays_dead() -> None:
    w = weight()
    w[2] = 0
    grid = linear_grid(w, bits=8, block=None)
    assert (restored(nearest(w, grid), grid)[2] == 0).all()


def test_a_palette_as_large_as_the_weight_loses_nothing() -> None:
    w = torch.arange(16.0).view(2, 8)
    grid = palette_grid(w, bits=4, group=None)
    assert torch.equal(restored(nearest(w, grid), grid).float(), w)


def test_a_palette_is_chosen_for_each_group() -> None:
    w = torch.cat([weight(4, 64), 50 + weight(4, 64)])
    grid = palette_grid(w, bits=2, group=4)
    assert grid.tables.shape == (2, 4)
    assert grid.tables[0].max() < 10 < grid.tables[1].min()
    assert (grid.tables.diff() > 0).all()


@pytest.mark.parametrize("kind", ["linear", "palette"])
def test_compensation_serves_the_output_not_the_weight(kind: str) -> None:
    """With correlated inputs the output is closer although single weights are further off."""
    generator = torch.Generator().manual_seed(2)
    base = torch.randn(500, 3, generator=generator)
    x = base @ torch.randn(3, 12, generator=generator)
    x += 0.1 * torch.randn(500, 12, generator=generator)
    w = weight(10, 12)
    grid: WeightGrid = (
        linear_grid(w, bits=4, block=None)
        if kind == "linear"
        else palette_grid(w, bits=4, group=None)
    )
    near = restored(nearest(w, grid), grid).float()
    chosen = restored(compensated(w, grid, spread((x.T @ x).double())), grid).float()
    assert (x @ (chosen - w).T).square().sum() < 0.5 * (x @ (near - w).T).square().sum()
    assert (chosen - w).abs().sum() > (near - w).abs().sum()


@pytest.mark.parametrize("kind", ["linear", "palette"])
def test_compensation_in_blocks_is_compensation_column_by_column(kind: str) -> None:
    """Frantar et al. 2022, eq. 2 and 3, one column at a time in float64, over three blocks."""
    generator = torch.Generator().manual_seed(3)
    n = 300
    x = torch.randn(900, n, generator=generator) @ torch.randn(n, n, generator=generator)
    w, gram = weight(20, n), (x.T @ x).double()
    grid: WeightGrid = (
        linear_grid(w, bits=4, block=30)
        if kind == "linear"
        else palette_grid(w, bits=4, group=None)
    )
    order = torch.argsort(gram.diagonal(), descending=True, stable=True)
    h = gram[order][:, order] + 0.01 * gram.diagonal().mean() * torch.eye(n)
    factor = torch.linalg.cholesky(torch.linalg.inv(h), upper=True)
    work, expected = w.double()[:, order], torch.empty(20, n, dtype=torch.float64)
    for i, column in enumerate(order.tolist()):
        expected[:, column] = grid.codes(work[:, i], column)
        error = (work[:, i] - grid.values(expected[:, column], column)) / factor[i, i]
        work[:, i + 1 :] -= error[:, None] * factor[i, i + 1 :]
    # float32 may tip a weight that lies between two codes; what follows then differs too.
    assert (compensated(w, grid, spread(gram)) == expected).double().mean() > 0.99


def test_compensation_without_correlation_is_rounding() -> None:
    w = weight()
    grid = linear_grid(w, bits=8, block=None)
    assert torch.equal(compensated(w, grid, spread(torch.eye(8))), nearest(w, grid))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_photos_make_up_for_most_of_the_loss(precision: str) -> None:
    torch.set_num_threads(1)
    request = tiny_request(precision)
    photos = made_photos(8, seed=7)
    exact = np.array(torch_scores(request.folded, photos))
    drift = {}
    for name, calibration in (("with", made_photos(24, seed=8)), ("without", [])):
        graph, _ = compress(request.folded, plan(request.folded, precision), calibration)
        drift[name] = np.abs(np.array(torch_scores(graph, photos)) - exact).mean()
    assert drift["with"] < drift["without"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_graph_computes_with_the_values_to_be_restored(precision: str) -> None:
    request = tiny_request(precision)
    graph, stored = compress(request.folded, plan(request.folded, precision), made_photos(4))
    modules = dict(graph.named_modules())
    assert stored
    for name, weight in stored.items():
        held = modules[name].weight
        assert isinstance(held, Tensor)
        np.testing.assert_array_equal(held.numpy(), weight.values().astype(np.float32))
        assert np.isfinite(weight.values()).all()


def test_in_a_mobilenet_the_large_matrices_are_chosen() -> None:
    tower = MobileNetV2(dim=384)
    chosen = chosen_layers(tower)
    assert {"head", "projection", "blocks.16.project"} <= set(chosen)
    assert not any("depthwise" in name or name.startswith("blocks.2.") for name in chosen)
    share = sum(m.weight.numel() for m in chosen.values()) / sum(
        p.numel() for p in tower.parameters() if p.dim() > 1
    )
    assert share > 0.9
