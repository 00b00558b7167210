"""Every reader of strangers' bytes reads or refuses in a sentence; longer by hand with run.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from support_fuzz import READERS, Reader, attempt, corpus, mutations

COUNT = 300
WHOLES = 60
SECONDS = 5.0


def _each(readers: Sequence[Reader]) -> list[Any]:
    # Whole models take a minute to make; CI fuzzes them in a stage of its own.
    return [
        pytest.param(r, id=r.name, marks=[pytest.mark.slow] if r.whole else []) for r in readers
    ]


@pytest.mark.parametrize("reader", _each(READERS))
def test_seeds_are_read(reader: Reader) -> None:
    seeds = reader.seeds()
    assert seeds
    for name, data in seeds.items():
        assert attempt(reader, data) is None, name


@pytest.mark.parametrize("reader", _each(READERS))
def test_what_once_found_a_fault_is_read_or_refused(reader: Reader) -> None:
    for data in corpus(reader).values():
        attempt(reader, data)


@pytest.mark.parametrize(
    "reader", _each([r for r in READERS if r.name != "pictures" and not r.whole])
)
def test_mutated_inputs_are_read_or_refused(reader: Reader) -> None:
    refused = 0
    for name, data in mutations(reader.seeds(), seed=2026, count=COUNT):
        begun = time.process_time()
        refused += attempt(reader, data) is not None
        assert time.process_time() - begun < SECONDS, name
    assert refused > COUNT // 10  # the damage is real


@pytest.mark.parametrize("reader", _each([r for r in READERS if r.whole]))
def test_damaged_models_score_right_or_are_refused(reader: Reader) -> None:
    said = [attempt(reader, data) for _, data in islice(reader.inputs(2026), WHOLES)]
    assert sum(sentence is not None for sentence in said) > WHOLES // 3
