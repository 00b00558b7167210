"""The rewrites change no score, and leave out what they say they leave out."""

from __future__ import annotations

import copy

import pytest
import torch
from support_vit import CONFIGS, tiny_photos, tiny_scorer
from torch import nn

from ralikit.export.quantise.equalising import pixels_of
from ralikit.model.folded import Folded
from ralikit.model.rewrite import rewrite


def _embedding(folded: Folded, kind: str) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([folded.tower(pixels_of(folded, v)) for v in tiny_photos(kind, 6)])


@pytest.mark.parametrize("kind", CONFIGS)
def test_embeddings_and_scores_stay(kind: str) -> None:
    plain = tiny_scorer(kind, outliers="norm")
    rewritten = rewrite(plain)
    before, after = _embedding(plain, kind), _embedding(rewritten, kind)
    assert float(before.std(0).min()) > 1e-3  # the photos differ, so equality says something
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    for views in tiny_photos(kind, 6):
        image = torch.from_numpy(views)
        assert float((rewritten(image) - plain(image)).abs()) <= 1e-5


@pytest.mark.parametrize("kind", CONFIGS)
def test_nothing_is_left_of_what_was_folded(kind: str) -> None:
    rewritten = rewrite(tiny_scorer(kind))
    tower = rewritten.tower
    assert not rewritten.normalises
    assert tower.patches.bias is None  # type: ignore[union-attr]
    for name, module in tower.named_modules():
        if isinstance(module, nn.LayerNorm) and name != "norm_in":
            assert not module.elementwise_affine, name
        if name.endswith((".key", ".value")):
            assert module.bias is None, name
    assert "quick_gelu" not in {getattr(m, "activation", "") for m in tower.modules()}


def test_the_scorer_given_is_not_changed() -> None:
    plain = tiny_scorer("clip")
    before = copy.deepcopy(plain.state_dict())
    rewrite(plain)
    assert all(torch.equal(before[name], value) for name, value in plain.state_dict().items())


def test_each_rewrite_matters() -> None:
    # A fold left out would show: undoing one of them moves the embedding.
    plain = tiny_scorer("clip", outliers="norm")
    wanted = _embedding(plain, "clip")
    for name in ("positions", "blocks.0.attention.query.weight", "blocks.1.attention.out.bias"):
        rewritten = rewrite(plain)
        parameters = dict(rewritten.tower.named_parameters())
        original = dict(plain.tower.named_parameters())
        with torch.no_grad():
            parameters[name].copy_(original[name])
        assert float((_embedding(rewritten, "clip") - wanted).abs().max()) > 1e-3, name


def test_a_convolutional_tower_has_nothing_to_rewrite() -> None:
    from support import lively_tower, make_head

    half = (0.5, 0.5, 0.5)
    plain = Folded(lively_tower(dim=6), make_head(), mean=half, std=half, view_pool="embedding")
    assert rewrite(plain) is plain
    assert plain.normalises
