"""Rescaling channels for int8 changes ranges and nothing else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from ralikit.export.gate.gate import Gate
from ralikit.export.gate.reference import folded_scores
from ralikit.export.quantise.equalising import channel_moments, equalise, on_pixel_grid, pixels_of
from ralikit.export.quantise.structure import channel_groups, layer, trace
from ralikit.model.folded import Folded


@pytest.fixture
def folded(gate: Gate) -> Folded:
    """The tiny scorer with channels made as unequal as real ones: every second one tiny."""
    graph = copy.deepcopy(gate.folded)
    weight = graph.get_parameter("tower.blocks.1.expand.weight")
    scale = torch.ones(len(weight))
    scale[::2] = 0.02
    weight.data *= scale.view(-1, 1, 1, 1)
    graph.get_parameter("tower.blocks.1.expand.bias").data *= scale
    return graph


def test_the_function_stays(folded: Folded, gate: Gate) -> None:
    views = gate.photos.views
    before = folded_scores(folded, views)
    assert before.std() > 0.1
    np.testing.assert_allclose(folded_scores(equalise(folded, views), views), before, atol=2e-4)


def test_small_channels_get_the_tensors_range(folded: Folded, gate: Gate) -> None:
    def spread(folded: Folded) -> float:
        traced = trace(folded.tower)
        moments = channel_moments(traced, [pixels_of(folded, v) for v in gate.photos.views])
        (node,) = [n for n in traced.graph.nodes if str(n.target) == "blocks.1.expand"]
        (relu,) = node.users
        peak = moments[relu.name].peak
        live = peak[peak > 0]
        return float(live.max() / live.median())

    assert spread(equalise(folded, gate.photos.views)) < 0.5 * spread(folded)


def test_the_given_graph_is_not_changed(folded: Folded, gate: Gate) -> None:
    before = copy.deepcopy(folded.state_dict())
    equalise(folded, gate.photos.views[:2])
    on_pixel_grid(folded)
    for name, value in folded.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_channels_at_relu6s_ceiling_are_left_alone(gate: Gate) -> None:
    graph = copy.deepcopy(gate.folded)
    graph.get_parameter("tower.blocks.1.expand.bias").data += 10.0  # every channel clips
    ready = equalise(graph, gate.photos.views[:2])
    views = gate.photos.views[:2]
    np.testing.assert_allclose(folded_scores(ready, views), folded_scores(graph, views), atol=2e-4)


@pytest.mark.parametrize("mean", [(0.5, 0.5, 0.5), (0.48, 0.46, 0.41)])
def test_pixels_are_their_own_grid(gate: Gate, mean: tuple[float, float, float]) -> None:
    graph = Folded(
        gate.folded.tower,
        gate.bundle.head(),
        mean=mean,
        std=(0.27, 0.26, 0.28),
        view_pool="embedding",
    ).eval()
    ready = on_pixel_grid(graph)
    step, zero = float(ready.gain[0, 0, 0, 0]), -float(ready.offset[0, 0, 0, 0])
    assert float(ready.gain.max()) == float(ready.gain.min())
    assert float(ready.offset.max()) == float(ready.offset.min())
    assert zero / step == pytest.approx(round(zero / step), abs=1e-3)
    # Away from the border, where the padding's value differs by under half a level a channel,
    # the first layer gives what it gave.
    views = gate.photos.views[0]
    with torch.no_grad():
        was = graph.get_submodule("tower.stem")(pixels_of(graph, views))
        now = ready.get_submodule("tower.stem")(pixels_of(ready, views))
    torch.testing.assert_close(now[..., 1:-1, 1:-1], was[..., 1:-1, 1:-1], atol=1e-4, rtol=1e-4)


def test_groups_join_what_a_residual_adds_and_nothing_more(gate: Gate) -> None:
    traced = trace(gate.folded.tower)
    groups = channel_groups(traced)
    names = {m: str(n.target) for n in traced.graph.nodes if (m := layer(traced, n)) is not None}
    joined = {frozenset(names[w] for w in g.writers): g for g in groups if g.writers}
    # Blocks 1 and 2 share 24 channels through their sum; both outputs feed expansions.
    both = joined[frozenset({"blocks.1.project", "blocks.2.project"})]
    assert {names[r] for r in both.readers} == {"blocks.2.expand", "blocks.3.expand"}
    assert both.ceiling is None
    alone = joined[frozenset({"blocks.1.expand"})]
    assert alone.ceiling == 6.0
    assert [names[r] for r in alone.readers] == ["blocks.1.depthwise"]
    assert not joined[frozenset({"projection"})].readers
