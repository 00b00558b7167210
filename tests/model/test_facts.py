"""What a file says of itself is read once, under old names and new, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support_scorer import brightness_bundle

from ralikit.errors import BundleError
from ralikit.model.facts import (
    CheckFacts,
    GoldenScore,
    Reach,
    dump_facts,
    facts_of,
    parse_facts,
    read_facts,
)
from ralikit.photo.views import Preprocess


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Any]:
    """What an exporter begins with, of a model whose ties are 0.25 wide."""
    return facts_of(brightness_bundle(tmp_path / "model"))


def test_what_is_written_is_read(written: dict[str, Any]) -> None:
    facts = parse_facts(dump_facts(written), where="x")
    assert facts.model.name == "brightness"
    assert facts.model.bundle == written["model"]["bundle"]
    assert (facts.model.tie_width, facts.model.tie_width_note) == (0.25, "made up")
    assert facts.scale.maximum == 5.0
    assert facts.shape == (facts.preprocess.views, facts.preprocess.size, facts.preprocess.size, 3)
    assert (facts.precision, facts.target, facts.outputs) == ("", "", ("score",))
    assert (facts.golden, facts.limits, facts.layers, facts.checks) == (None, None, None, ())


def test_new_files_carry_the_new_names_alone(written: dict[str, Any]) -> None:
    assert {"tie_width", "tie_width_note"} < written["model"].keys()
    assert not [name for name in written["model"] if "resolution" in name]


def test_files_under_the_first_names_open(written: dict[str, Any]) -> None:
    old = {
        **written,
        "model": {
            **{k: v for k, v in written["model"].items() if not k.startswith("tie_width")},
            "resolution": 0.38,
            "resolution_note": "on 507 photos",
        },
        "functions": ["score", "embedding"],
    }
    facts = read_facts(old, where="x")
    assert (facts.model.tie_width, facts.model.tie_width_note) == (0.38, "on 507 photos")
    assert facts.outputs == ("score", "embedding")
    assert facts == read_facts(old, where="elsewhere")
    new = {**written, "outputs": ["score", "embedding"]}
    assert read_facts(new, where="x").outputs == ("score", "embedding")


def test_what_the_proof_left_is_typed(written: dict[str, Any]) -> None:
    facts = read_facts(
        {
            **written,
            "target": "onnx",
            "precision": "int8",
            "layers": {"tower.stem": "int8"},
            "golden": [{"name": "cat", "sha256": "ab", "reference": 3, "more": 1}],
            "limits": {"golden": 0.05, "srcc": 1},
            "checks": [{"name": "graph", "passed": None, "detail": "not looked at"}],
            "activations": {"largest": 12, "where": "tower.stem", "photos": 8},
            "gpu": True,
        },
        where="x",
    )
    assert facts.golden == (GoldenScore(name="cat", sha256="ab", reference=3.0),)
    assert facts.checks == (CheckFacts(name="graph", passed=None, detail="not looked at"),)
    assert facts.activations == Reach(largest=12.0, where="tower.stem")
    assert (facts.layers, facts.limits) == ({"tower.stem": "int8"}, {"golden": 0.05, "srcc": 1.0})
    assert facts.gpu


def test_what_this_version_does_not_know_is_kept(written: dict[str, Any]) -> None:
    later = {**written, "quantum": [1, 2], "model": {**written["model"], "father": "large"}}
    facts = read_facts(later, where="x")
    assert facts.written == later
    assert facts.model.name == "brightness"


@pytest.mark.parametrize("name", ["golden", "limits", "checks", "activations", "layers"])
@pytest.mark.parametrize("value", [None, 7, "x", {"largest": "much"}, [{"name": 1}], [3],
                                   [{"name": {}, "sha256": "ab", "reference": 3}]])  # fmt: skip
def test_a_part_that_cannot_be_read_counts_as_not_said(
    written: dict[str, Any], name: str, value: object
) -> None:
    if name == "layers" and value == {"largest": "much"}:
        return  # names and types of layers, whatever they are
    facts = read_facts({**written, name: value}, where="x")
    assert {"golden": facts.golden, "limits": facts.limits, "checks": facts.checks or None,
            "activations": facts.activations, "layers": facts.layers}[name] is None  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 2}, "x: its metadata is of another schema than 1"),
        ({"model": {}}, "x: its metadata is incomplete .*name"),
        ({"model": "mini"}, "x: its metadata is incomplete"),
        ({"scale": {"minimum": "low"}}, "x: its metadata is incomplete .*minimum"),
        ({"scale": None}, "x: its metadata is incomplete"),
        ({"preprocess": {"size": "256"}}, "x: preprocess"),
        ({"outputs": "score"}, "x: its metadata names its outputs as 'score'"),
    ],
)
def test_what_a_reader_cannot_do_without_is_a_sentence(
    written: dict[str, Any], change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BundleError, match=sentence):
        parse_facts(json.dumps({**written, **change}), where="x")
    for text in (None, "{", "[]", "7"):
        with pytest.raises(BundleError, match=r"^x"):
            parse_facts(text, where="x")


def test_the_graph_of_the_preprocessing_needs_no_scale(written: dict[str, Any]) -> None:
    facts = read_facts(
        {
            "schema": 1,
            "kind": "preprocess",
            "model": {"name": "tiny", "bundle": "0" * 64},
            "preprocess": written["preprocess"],
        },
        where="x",
    )
    assert facts.kind == "preprocess"
    assert isinstance(facts.preprocess, Preprocess)
