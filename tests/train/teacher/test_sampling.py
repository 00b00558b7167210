"""The order of GRPO's prompts: one dataset a step, whole groups, the same by seed and epoch."""

from __future__ import annotations

import pytest

from ralikit.errors import UsageError
from ralikit.train.teacher.sampling import OneDatasetSampler

SETS = ["koniq"] * 7 + ["spaq"] * 4 + ["kadid"] * 3


def sampler(seed: int = 0) -> OneDatasetSampler:
    return OneDatasetSampler(SETS, chunk=3, generations=2, repeats=2, seed=seed)


def test_every_chunk_is_of_one_dataset() -> None:
    chunks = sampler().chunks()
    assert sorted(SETS[c[0]] for c in chunks) == ["kadid", "koniq", "koniq", "spaq"]
    for chunk in chunks:
        assert len({SETS[row] for row in chunk}) == 1
        assert len(set(chunk)) == 3


def test_groups_lie_together_and_chunks_repeat() -> None:
    order = sampler()
    rows = list(order)
    assert len(rows) == len(order) == 4 * 3 * 2 * 2
    chunk = order.chunks()[0]
    expected = [row for row in chunk for _ in range(2)]
    assert rows[:6] == expected
    assert rows[6:12] == expected


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first, again = sampler(), sampler()
    epoch_zero = list(first)
    list(again)  # a resumed run has iterated another number of times
    first.set_epoch(1)
    again.set_epoch(1)
    assert list(first) == list(again) != epoch_zero
    first.set_epoch(0)
    assert list(first) == epoch_zero != list(sampler(seed=1))


def test_rows_left_out_change_with_the_epoch() -> None:
    order = sampler()
    seen = set()
    for epoch in range(8):
        order.set_epoch(epoch)
        seen |= set(order)
    assert seen == set(range(len(SETS)))


def test_small_dataset_is_named() -> None:
    with pytest.raises(UsageError, match="the dataset kadid has 3 images, fewer than images_per_s"):
        OneDatasetSampler(SETS, chunk=4, generations=2)
