"""A channel carried twice, half a step apart, is rounded twice as finely; nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support import lively_tower, make_head
from torch import nn
from torch.nn import functional as F

from ralikit.export.quantise.splitting import split_first_channels
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

STEP = 6.0 / 255.0


@pytest.fixture(scope="module")
def photos() -> list[Views]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(-60, 60, 64)[None, None, :, None]
    return [
        np.clip(128 + ramp + rng.normal(size=(1, 64, 64, 3)) * spread, 0, 255).astype(np.uint8)
        for spread in (2, 10, 40)
    ]


@pytest.fixture(scope="module")
def scorer() -> Folded:
    folded = Folded(
        lively_tower(), make_head(), mean=(0.5,) * 3, std=(0.5,) * 3, view_pool="embedding"
    )
    return folded.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def split(scorer: Folded, photos: list[Views]) -> Folded:
    return split_first_channels(scorer, photos)


def test_the_function_stays_what_it_was(scorer: Folded, split: Folded, photos: list[Views]) -> None:
    for views in photos:
        image = torch.from_numpy(views)
        pixels = image.float().permute(0, 3, 1, 2) * scorer.gain + scorer.offset
        exact, doubled = scorer.tower(pixels), split.tower(pixels)
        assert float((exact - doubled).norm() / exact.norm()) < 0.02  # ReLU6's ends


def test_only_the_narrow_tensors_before_the_first_wide_one_are_doubled(
    scorer: Folded, split: Folded
) -> None:
    changed = {}
    for (name, before), (again, after) in zip(
        scorer.tower.named_modules(), split.tower.named_modules(), strict=True
    ):
        assert name == again
        if isinstance(before, nn.Conv2d | nn.Linear) and before.weight.shape != after.weight.shape:
            changed[name] = tuple(after.weight.shape)
    assert changed == {
        "stem": (64, 3, 3, 3),
        "blocks.0.depthwise": (64, 1, 3, 3),
        "blocks.0.project": (32, 64, 1, 1),
        "blocks.1.expand": (96, 32, 1, 1),
    }


def test_two_roundings_half_a_step_apart_average_to_half_the_error(
    scorer: Folded, split: Folded, photos: list[Views]
) -> None:
    def rounded(x: torch.Tensor) -> torch.Tensor:
        return torch.round(x / STEP) * STEP

    pixels = torch.from_numpy(photos[0]).float().permute(0, 3, 1, 2) * scorer.gain + scorer.offset
    exact = F.relu6(scorer.tower.get_submodule("stem")(pixels))
    first, second = F.relu6(split.tower.get_submodule("stem")(pixels)).chunk(2, dim=1)
    inside = (exact > STEP) & (exact < 6 - STEP)
    once = (rounded(exact) - exact)[inside].square().mean().sqrt()
    twice = ((rounded(first) + rounded(second)) / 2 - exact)[inside].square().mean().sqrt()
    assert float(twice / once) == pytest.approx(0.5, abs=0.05)
