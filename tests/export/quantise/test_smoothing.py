"""Ranges of what layers read: one that is fixed beforehand may leave out its rarest values."""

from __future__ import annotations

from typing import Any

import torch

from ralikit.export.quantise.int8 import round_weight
from ralikit.export.quantise.smoothing import Place, round_between, rounding_error


def _place(rows: torch.Tensor) -> Place:
    channels: Any = None  # nothing asks who reads it
    low, high = rows.amin(0)[None], rows.amax(0)[None]
    return Place(channels, rows, low, high, torch.zeros(len(rows), dtype=torch.long))


def test_a_fixed_range_is_drawn_in_to_where_it_loses_least() -> None:
    torch.manual_seed(0)
    rows, weight = torch.randn(20_000, 8), torch.randn(5, 8)
    rows[0, 0] = 7.0  # one value of many would make every step wider
    place, wanted = _place(rows), rows @ weight.T
    whole = round_between(rows, rows.min(), rows.max()) @ round_weight(weight).T - wanted
    signal = (wanted - wanted.mean(0)).square().sum()
    plain = float((whole.square().sum() / signal).sqrt())
    found = rounding_error(place, weight, wanted, "static")
    assert found < plain
    even = _place(rows.clamp(-2.0, 2.0))  # nothing rare at its ends: nothing is cut off
    own = even.rows @ weight.T
    kept = round_between(even.rows, even.rows.min(), even.rows.max()) @ round_weight(weight).T - own
    spread = (own - own.mean(0)).square().sum()
    uncut = float((kept.square().sum() / spread).sqrt())
    assert abs(rounding_error(even, weight, own, "static") - uncut) < 1e-6
