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


def test_blocks_are_of_one_dataset_and_fill_the_steps() -> None:
    order = OneDatasetSampler(SETS, chunk=4, generations=2, block=2, seed=3)
    chunks = order.chunks()
    assert len(chunks) == 3  # 3 + 2 + 1 blocks of two
    seen = [row for chunk in chunks for row in chunk]
    assert len(set(seen)) == len(seen) == 12
    for chunk in chunks:
        assert SETS[chunk[0]] == SETS[chunk[1]]
        assert SETS[chunk[2]] == SETS[chunk[3]]
    mixed = 0
    for epoch in range(4):
        order.set_epoch(epoch)
        mixed += sum(SETS[chunk[0]] != SETS[chunk[2]] for chunk in order.chunks())
    assert mixed > 0  # a step is no longer of one dataset
    assert len(list(order)) == len(order) == 3 * 4 * 2


def test_too_little_for_a_block_or_a_step_is_said() -> None:
    with pytest.raises(UsageError, match="kadid has 3 images, fewer than compare = 4"):
        OneDatasetSampler(SETS, chunk=8, generations=2, block=4)
    with pytest.raises(UsageError, match="fill no step of images_per_step = 16"):
        OneDatasetSampler(SETS, chunk=16, generations=2, block=2)
