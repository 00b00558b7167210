"""What XNNPACK or a phone's GPU would not take is seen before a phone sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support_tflite import tiny_facts
from support_vit import tiny_photos, tiny_scorer
from torch import Tensor, nn

from ralikit.export.gate.ranges import reach
from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.checks import structure_checks
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.layout import laid_out
from ralikit.export.targets.tflite.lint import gpu_findings, stored_types
from ralikit.export.targets.tflite.store import Codes, codes_of
from ralikit.model.facts import Facts, read_facts
from ralikit.model.rewrite import rewrite
from ralikit.runtimes.litert import LiteRtRuntime
from ralikit.runtimes.litert_engine import Interpreted


class _Model(nn.Module):
    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.score = forward

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"score": self.score(image.float())}


def converted(forward: Callable[[Tensor], Tensor]) -> Graph:
    example = torch.zeros((4, 8), dtype=torch.uint8)
    return Graph(tflite._litert_torch(_Model(forward).eval(), example))


def troubled(x: Tensor) -> Tensor:
    part = (x * 2)[0:2]  # a slice of two axes
    wide = x.view(2, 2, 8) + part  # ranks 3 and 2
    deep = (x.view(1, 2, 2, 2, 4) * 3).permute(0, 2, 1, 4, 3)  # five axes
    return (wide.sum() + deep.sum() + x.argmax(1).float().sum()).view(1)


def test_rules_of_a_phones_gpu_are_held_against_every_operator() -> None:
    found = "; ".join(gpu_findings(converted(troubled)))
    assert "a SLICE has 2 axes where 3 or 4 are possible" in found
    assert "an ADD has operands of unequal ranks" in found
    assert "has 5 axes, 4 at most are possible" in found
    assert "it has no ARG_MAX" in found
    assert "CAST" not in found  # the photo's own, which a processor does in one pass


class _Opened(LiteRtRuntime):
    """A runtime on a file that tells nothing, with facts of the test's."""

    def __init__(self, path: Path, facts: Facts) -> None:
        self.facts = facts
        self._path = path
        self._engine = Interpreted(path, 1)


def checked(
    graph: Graph, folder: Path, facts: dict[str, Any]
) -> dict[str, tuple[bool | None, str]]:
    path = folder / "x.tflite"
    path.write_bytes(graph.pack())
    found = structure_checks(graph, _Opened(path, read_facts(tiny_facts() | facts, where="x")))
    return {check.name: (check.passed, check.detail) for check in found}


def test_a_fall_back_is_a_note_of_every_score(tmp_path: Path) -> None:
    for forward, words in (
        (lambda x: (x * 2 + 1).sum().view(1), ""),
        (lambda x: ((x * 2).cumsum(1) * 3).sum().view(1), "leaves out: .*CUMSUM"),
    ):
        path = tmp_path / "x.tflite"
        path.write_bytes(converted(forward).pack())
        note = _Opened(path, read_facts(tiny_facts(), where="x"))._fallen_back()
        assert re.search(words, note) if words else note == ""


def test_what_xnnpack_leaves_out_is_named(tmp_path: Path) -> None:
    graph = converted(lambda x: ((x * 2).cumsum(1) * 3).sum().view(1))
    passed, detail = checked(graph, tmp_path, {})["XNNPACK"]
    assert passed is False
    assert "pieces" in detail or "CUMSUM" in detail


def test_the_gpus_findings_refuse_only_where_a_gpu_is_asked_for(tmp_path: Path) -> None:
    graph = converted(troubled)
    assert checked(graph, tmp_path, {})["GPU delegate"][0] is None
    assert checked(graph, tmp_path, {"gpu": True})["GPU delegate"][0] is False


def test_a_file_whose_layers_are_not_what_it_says_fails(tmp_path: Path) -> None:
    linear = nn.Linear(8, 3)
    graph = converted(lambda x: linear(x).sum().view(1))
    found = stored_types(graph)
    (name,) = found
    wrong = checked(graph, tmp_path, {"layers": {name: "int8"}})["layers"]
    assert wrong == (False, f"{name} is stored as float32 where the file says int8")
    assert checked(graph, tmp_path, {"layers": found})["layers"][0] is True


def test_float16_that_overflows_refuses_what_is_meant_for_it(tmp_path: Path) -> None:
    graph = converted(lambda x: x.sum().view(1))
    large = {"activations": {"largest": 70000.0, "where": "tower.norm_out", "photos": 4}}
    assert checked(graph, tmp_path, {**large, "precision": "int8"})["float16"][0] is None
    passed, detail = checked(graph, tmp_path, {**large, "precision": "fp16"})["float16"]
    assert passed is False
    assert "7e+04 in tower.norm_out" in detail


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_the_largest_value_is_found_wherever_it_is(factor: float) -> None:
    scorer = laid_out(rewrite(tiny_scorer("clip")))
    down = scorer.get_submodule("tower.blocks.1.mlp.down")
    assert isinstance(down, nn.Linear)
    down.weight.mul_(factor)
    found = reach(scorer, tiny_photos("clip", 2))
    assert found.photos == 2
    if factor == 1.0:
        assert (found.where, found.largest < 65504) == ("the pixels", True)
    else:  # the next norm squares what it reads
        assert (found.where, found.largest > 65504) == ("tower.blocks.2.norm1", True)


@pytest.mark.parametrize(("kind", "blocks"), [("int8", 1), ("int4", 1), ("int4", 4)])
def test_codes_and_steps_stand_for_the_weight(kind: str, blocks: int) -> None:
    rng = np.random.default_rng(0)
    limit = 127 if kind == "int8" else 7
    values = rng.integers(-limit, limit + 1, (6, 32)).astype(np.int8)
    steps = rng.uniform(0.01, 0.02, (6, blocks)).astype(np.float16).astype(np.float32)
    weight = Codes(values, steps).expanded()
    codes = codes_of(weight, kind, steps=steps)
    np.testing.assert_array_equal(codes.values, values)
    np.testing.assert_array_equal(codes.expanded(), weight)
