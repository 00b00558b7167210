"""Stand-ins of random weights: one seed gives one model."""

from __future__ import annotations

import pytest
import torch
from support_vit import CONFIGS

from ralikit.bench.standin import random_tower


@pytest.mark.parametrize("kind", CONFIGS)
def test_one_seed_gives_one_tower(kind: str) -> None:
    towers = []
    for elsewhere in (1, 2):
        torch.manual_seed(elsewhere)
        towers.append(random_tower(kind, dict(CONFIGS[kind]), seed=3).state_dict())
    for name, tensor in towers[0].items():
        assert torch.equal(tensor, towers[1][name]), name
