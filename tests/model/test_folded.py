"""Folding changes nothing: the one graph equals tower, mean over views and read-out apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import lively_tower, make_head

from ralikit.model.folded import BasisHead, Folded, with_outputs
from ralikit.model.head import Head
from ralikit.model.towers.mobilenet_v2 import MobileNetV2

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


@pytest.fixture(scope="module")
def tower() -> MobileNetV2:
    return lively_tower()


def _head(*, normalize: bool) -> Head:
    return Head(**{**make_head().__dict__, "normalize": normalize})


@pytest.mark.parametrize("normalize", [False, True])
def test_the_folded_head_equals_the_plain_one(normalize: bool) -> None:
    head = _head(normalize=normalize)
    x = np.random.default_rng(9).normal(size=(50, 6))
    with torch.no_grad():
        got = BasisHead(head)(torch.from_numpy(x).float()).numpy()
    np.testing.assert_allclose(got, head.score(x), atol=1e-5)


@pytest.mark.parametrize("pool", ["embedding", "score"])
def test_the_folded_scorer_equals_its_parts(tower: MobileNetV2, pool: str) -> None:
    head = _head(normalize=False)
    folded = Folded(tower, head, mean=MEAN, std=STD, view_pool=pool)
    views = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        got = folded(torch.from_numpy(views)).numpy()
        pixels = (views / 255.0 - np.array(MEAN)) / np.array(STD)
        nchw = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        embedding = tower(nchw).double().numpy()
    expected = (
        head.score(embedding.mean(axis=0, keepdims=True))
        if pool == "embedding"
        else head.score(embedding).mean(keepdims=True)
    )
    assert got.shape == (1,)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_channel_order_matters(tower: MobileNetV2) -> None:
    """The graph reads RGB: a swapped order must show, or no gate could see it."""
    folded = Folded(tower, _head(normalize=False), mean=MEAN, std=STD, view_pool="embedding")
    views = torch.zeros(1, 32, 32, 3)
    views[..., 0] = 255.0
    with torch.no_grad():
        assert not torch.allclose(folded(views), folded(views.flip(-1)), atol=1e-3)


@pytest.mark.parametrize("pool", ["embedding", "score"])
def test_the_embedding_is_what_the_tower_gives_on_the_mean(tower: MobileNetV2, pool: str) -> None:
    folded = Folded(tower, _head(normalize=False), mean=MEAN, std=STD, view_pool=pool)
    views = torch.from_numpy(
        np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    )
    with torch.no_grad():
        score, embedding = with_outputs(folded, ("score", "embedding"))(views)
        alone = torch.cat([with_outputs(folded, ("score", "embedding"))(v[None])[1] for v in views])
        assert torch.equal(score, folded(views))  # and the first graph still gives the score alone
    np.testing.assert_allclose(embedding.numpy(), alone.numpy().mean(0, keepdims=True), atol=1e-5)
