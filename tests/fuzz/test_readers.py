"""Every reader of strangers' bytes reads or refuses in a sentence; longer by hand with run.py."""

from __future__ import annotations

import time

import pytest
from support_fuzz import READERS, Reader, attempt, corpus, mutations

COUNT = 300
SECONDS = 5.0
NAMES = [reader.name for reader in READERS]


@pytest.mark.parametrize("reader", READERS, ids=NAMES)
def test_seeds_are_read(reader: Reader) -> None:
    seeds = reader.seeds()
    assert seeds
    for name, data in seeds.items():
        assert attempt(reader, data) is None, name


@pytest.mark.parametrize("reader", READERS, ids=NAMES)
def test_what_once_found_a_fault_is_read_or_refused(reader: Reader) -> None:
    for data in corpus(reader).values():
        attempt(reader, data)


@pytest.mark.parametrize("reader", [r for r in READERS if r.name != "pictures"], ids=NAMES[1:])
def test_mutated_inputs_are_read_or_refused(reader: Reader) -> None:
    refused = 0
    for name, data in mutations(reader.seeds(), seed=2026, count=COUNT):
        begun = time.process_time()
        refused += attempt(reader, data) is not None
        assert time.process_time() - begun < SECONDS, name
    assert refused > COUNT // 10  # the damage is real
