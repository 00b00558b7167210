"""The small parts of benchmarks/apple_precisions.py: which photos, which scores, what is proved."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support_docs import ROOT

from ralikit.data.metas import Sample


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "benchmarks" / "apple_precisions.py"
    spec = importlib.util.spec_from_file_location("apple_precisions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def samples(count: int) -> list[Sample]:
    return [
        Sample(image=Path(f"{i}.png"), name=f"{i}.png", score=1.0 + i, raw=float(i), dataset="d")
        for i in range(count)
    ]


def test_the_first_photos_are_a_subset_whatever_the_list_is(script: ModuleType) -> None:
    photos = samples(40)
    first = [s.name for s in script.in_order(photos)]
    assert first == [s.name for s in script.in_order(photos[::-1])]
    assert first != [s.name for s in photos]
    fewer = [s.name for s in script.in_order(photos[:20])]
    assert fewer == [name for name in first if int(Path(name).stem) < 20]


def test_a_table_ends_before_the_first_photo_that_one_file_lacks(
    script: ModuleType, tmp_path: Path
) -> None:
    photos = samples(5)
    order = [s.name for s in script.in_order(photos)]
    lines = [{"photo": name, "scores": {"a": float(i)}} for i, name in enumerate(order)]
    lines += [{"photo": name, "scores": {"b": 10.0 + i}} for i, name in enumerate(order[:3])]
    lines += [{"photo": order[4], "scores": {"b": 99.0}}]  # without the one before it
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    found = script.read_scores(path)
    done, scores = script.columns(photos, found, ["a", "b"])
    assert [s.name for s in done] == order[:3]
    np.testing.assert_array_equal(scores["a"], [0, 1, 2])
    np.testing.assert_array_equal(scores["b"], [10, 11, 12])
    assert script.read_scores(tmp_path / "absent.jsonl") == {}


def test_what_apples_runtime_scored_is_held_against_the_evaluator(script: ModuleType) -> None:
    name, path = script.APPLE + "x.aimodel", Path("somewhere/x.aimodel")
    scores = {
        "1.png": {"x.aimodel": 2.0, name: 2.25},
        "2.png": {"x.aimodel": 3.0, name: 2.875},
        "3.png": {"x.aimodel": 4.0},
    }
    proof = script.proof_of(path, scores)
    assert proof == {"apple_photos": 2, "apple_from_evaluator": 0.25}
    assert script.proof_of(Path("y.mlpackage"), scores) == {}


def test_only_what_is_missing_is_scored(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting:
        facts = type("Facts", (), {"preprocess": None})

        def __init__(self) -> None:
            self.seen: list[str] = []

        def run(self, views: str) -> float:
            self.seen.append(views)
            return 1.5

    monkeypatch.setattr(script, "load_views", lambda image, preprocess: str(image))
    a, b = Counting(), Counting()
    before = {"0.png": {"a": 1.0, "b": 2.0}, "1.png": {"a": 3.0}}
    made = dict(script.run({"a": a, "b": b}, samples(3), before))
    assert made == {"1.png": {"b": 1.5}, "2.png": {"a": 1.5, "b": 1.5}}
    assert (a.seen, b.seen) == (["2.png"], ["1.png", "2.png"])


def test_a_step_says_what_it_lacks(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.parsed(["make", "files"]).precisions == script.PRECISIONS
    for words, said in (
        (["score", "files", "s.jsonl"], "score needs SCORES, --meta and --root"),
        (["record", "f", "s", "--meta", "m", "--root", "r"], "record needs --out"),
    ):
        with pytest.raises(SystemExit):
            script.parsed(words)
        assert said in capsys.readouterr().err
