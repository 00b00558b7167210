"""Same inputs, same bytes: whatever number of threads torch was told to use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support_vit import tiny_standin

from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.gate.limits import Limits
from ralikit.export.one_thread import side_by_side
from ralikit.export.order import order, precisions_of
from ralikit.export.pipeline import convert, prove
from ralikit.export.targets import TARGETS
from ralikit.export.targets.target import AUTO
from ralikit.files import sha256_path
from ralikit.model.bundle import Bundle

THREADS = (1, 3)
ANY = Limits(max_drift=None, p95_drift=None, srcc=None, golden=99.0)
"""A tower of random weights loses much in int8; here it is only to lose the same each time."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_threads(number: int, make: Callable[[], Gate]) -> Gate:
    torch.set_num_threads(number)
    return make()


def gates_of(bundle: Bundle) -> dict[int, Gate]:
    return {
        n: with_threads(n, lambda: open_gate(bundle, count=4, calibration_count=4)) for n in THREADS
    }


@pytest.fixture(scope="module")
def gates(bundle: Bundle) -> dict[int, Gate]:
    return gates_of(bundle)


@pytest.fixture(scope="module")
def vit_gates(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Gate]:
    with pytest.MonkeyPatch.context() as patch:
        made = tiny_standin(tmp_path_factory.mktemp("vit") / "bundle", "clip", patch)
    return gates_of(made)


def hashes(gates: dict[int, Gate], target: str, precision: str, out: Path) -> set[str]:
    """Of the file with all that its facts say, made with each number of threads."""
    found = set()
    for number, gate in gates.items():
        torch.set_num_threads(number)
        asked = order(gate.bundle, target=target, precision=precision, out=out)
        path = out / f"{number}{asked.target.suffix}"
        proven = prove(convert(asked, gate, path), gate, limits=ANY)
        asked.target.load().write_facts(path, proven.facts)
        assert torch.get_num_threads() == number
        found.add(sha256_path(path))
    return found


def test_the_reference_is_the_same(gates: dict[int, Gate]) -> None:
    first = gates[1]
    for gate in gates.values():
        np.testing.assert_array_equal(gate.reference, first.reference)
        np.testing.assert_array_equal(gate.embeddings, first.embeddings)
        assert gate.facts() == first.facts()


def test_int8_is_the_same(gates: dict[int, Gate], tmp_path: Path) -> None:
    assert len(hashes(gates, "onnx", "int8", tmp_path)) == 1


def test_a_transformers_int8_is_the_same(vit_gates: dict[int, Gate], tmp_path: Path) -> None:
    assert len(hashes(vit_gates, "onnx", "int8", tmp_path)) == 1


EVERY = [(t.name, p.name) for t in TARGETS for p in t.precisions if p.name != AUTO]


@pytest.mark.slow
@pytest.mark.parametrize("tower", ["gates", "vit_gates"])
@pytest.mark.parametrize(("target", "precision"), EVERY)
def test_every_file_is_the_same(
    tower: str, target: str, precision: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    gates: dict[int, Gate] = request.getfixturevalue(tower)
    (declared,) = [t for t in TARGETS if t.name == target]
    if precision not in precisions_of(declared, gates[1].bundle):
        pytest.skip(f"{target} has no {precision} for this tower")
    if declared.spared and not declared.installed:
        pytest.skip(f"the extra {declared.extra!r} is not installed")
    declared.require()
    assert len(hashes(gates, target, precision, tmp_path)) == 1


def test_several_at_once_are_in_order_and_on_one_thread() -> None:
    torch.set_num_threads(2)
    seen = list(side_by_side(lambda n: (n, torch.get_num_threads()), range(9)))
    assert seen == [(n, 1) for n in range(9)]
    assert torch.get_num_threads() == 2
