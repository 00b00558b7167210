"""What a bundle or a file says of itself, made to harm, is one printable line."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_scorer import brightness_bundle

from ralikit.config import from_mapping
from ralikit.errors import BundleError, ExportError, RalikitError, UsageError
from ralikit.export.order import order
from ralikit.export.targets import named
from ralikit.files import parse_json, read_json
from ralikit.importers.hf_files import read_config
from ralikit.model.bundle import Bundle, Scale, read_bundle, read_safetensors
from ralikit.model.facts import facts_of, parse_facts
from ralikit.model.towers import load_tower
from ralikit.models import resolve
from ralikit.photo.views import Preprocess
from ralikit.printable import listed, printable, shown
from ralikit.runtimes import open_runtime

_DEEP = "[" * 100_000
_SHALLOW = "[" * 200 + "]" * 200


def _line(make: Callable[[], object], match: str, kind: type[RalikitError] = BundleError) -> None:
    with pytest.raises(kind, match=match) as caught:
        make()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_DEEP, "nested more than 64 deep"),
        (_SHALLOW, "nested more than 64 deep"),
        ("1" + "0" * 400, "a whole number of 401 digits"),
        ("1" + "0" * 5000, "a whole number of 5,001 digits"),
        ("1e999", "the number 1e999, which is too large"),
        ("NaN", "NaN, which is no number"),
        ("[-Infinity]", "-Infinity, which is no number"),
        ('{"\\ud800": 1}', "half a character"),
    ],
)
def test_json_is_plain_or_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(text)
    path = tmp_path / "config.json"
    path.write_text(text)
    _line(lambda: read_json(path), said, RalikitError)
    _line(lambda: read_config(path), said)
    _line(lambda: parse_facts(text, where="x"), said)
    header = text.encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    _line(lambda: read_safetensors(path), said)
    assert parse_json('{"a": ["\\ud83d\\ude00", 1.5, null]}') == {"a": ["\U0001f600", 1.5, None]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preprocess": []}, "a table is expected"),
        ({"preprocess": {"size": 10**9, "shortest_edge": None}}, "over 67,108,864 pixels a photo"),
        (
            {"preprocess": {"size": 512, "shortest_edge": None, "anchors": [[0, 0]] * 300}},
            "300 views of 512 x 512",
        ),
        ({"preprocess": {"size": 8, "shortest_edge": 10**9}}, "shortest_edge is at most 32768"),
        ({"scale": {"minimum": 3, "maximum": 3}}, "from a minimum to a larger maximum"),
        ({"scale": {"minimum": 5, "maximum": 1}}, "from a minimum to a larger maximum"),
        ({"model": {"name": "a\u001b[2J"}}, r"printable text, not 'a\\"),
        ({"model": {"name": ["x" * 5000]}}, "str is expected"),
    ],
)
def test_facts_that_nothing_can_mean(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    written = facts_of(brightness_bundle(tmp_path / "model"))
    _line(lambda: parse_facts(json.dumps({**written, **change}), where="x"), said)


def _with(root: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = root / "ralikit.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    return root


@pytest.mark.parametrize(
    "name", ["a\0b", "\udcff", "x" * 5000, "../tower.safetensors", "a\u001b[2J", ""]
)
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    brightness_bundle(tmp_path / "b")
    _with(tmp_path / "b", lambda values: values["files"].update({name: "0"}))
    _line(lambda: read_bundle(tmp_path / "b"), "lacks|half a character")


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 200, "a\nb", "a\0"])
def test_names_that_no_model_has(tmp_path: Path, name: str) -> None:
    brightness_bundle(tmp_path / "b")
    _with(tmp_path / "b", lambda values: values["model"].update(name=name))
    _line(lambda: read_bundle(tmp_path / "b"), "a model's name")


@pytest.mark.parametrize("config", [{"dim": 10**7}, {"dim": 10**30}, {"dim": -1}, {"dim": "x"}])
def test_a_tower_of_any_size_takes_no_memory(tmp_path: Path, config: dict[str, Any]) -> None:
    bundle = brightness_bundle(tmp_path / "b")
    spec = replace(bundle.info.tower, config=config)
    other = Bundle(bundle.root, replace(bundle.info, tower=spec), bundle.files)
    _line(lambda: load_tower(other), "fit")


def test_a_pipe_is_no_model(tmp_path: Path) -> None:
    for name in ("pipe", "pipe.onnx"):
        os.mkfifo(tmp_path / name)
        _line(lambda name=name: resolve(tmp_path / name), "neither a file nor", UsageError)  # type: ignore[misc]
    _line(lambda: open_runtime(tmp_path / "pipe.onnx"), "neither a file nor a folder")
    os.mkfifo(tmp_path / "config.json")
    _line(lambda: read_config(tmp_path / "config.json"), "it is no file")
    for ref in ("x" * 5000, "a\0b", "\ud800"):
        _line(lambda ref=ref: resolve(ref), "there is no model", UsageError)  # type: ignore[misc]


def test_settings_of_any_type_are_one_line() -> None:
    wrong: tuple[Any, ...] = ([], 3, None)
    for values in wrong:
        _line(lambda v=values: from_mapping(Scale, v), "a table is expected", UsageError)  # type: ignore[misc]
    _line(lambda: from_mapping(Scale, {"minimum": 10**400}), "too large a number", UsageError)
    _line(lambda: from_mapping(Scale, {"m" * 10**6: 1}), "unknown setting", UsageError)
    _line(lambda: from_mapping(Scale, {"meaning": [10**5000]}), "str is expected", UsageError)
    with pytest.raises(UsageError, match="mean must be finite"):
        Preprocess(size=8, shortest_edge=None, mean=(float("nan"), 0.0, 0.0))


def test_errors_are_one_printable_line() -> None:
    assert str(BundleError("a\u001b[31m\nb\ud800")) == "a\\x1b[31m\\nb\\ud800"
    assert shown("x" * 500).endswith("x…")
    assert listed(range(10), most=3) == "0, 1, 2 and 7 more"
    assert printable("\ud800\n") == "\\ud800\\n"


def test_an_onnx_file_over_2_gb_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = brightness_bundle(tmp_path / "b")
    assert bundle.tower_numbers() == sum(
        array.size for array in read_safetensors(bundle.root / "tower.safetensors").values()
    )
    limit = named("onnx").largest
    assert limit == 2**31 - 1
    monkeypatch.setattr(Bundle, "tower_numbers", lambda _: 630_000_000)  # ViT-H
    said = r"fp32 would have 2\.5 GB, and one \.onnx file holds at most 2\.1; export it as fp16 or"
    _line(lambda: order(bundle, target="onnx", precision="fp32", out=tmp_path), said, ExportError)
    assert order(bundle, target="onnx", precision="fp16", out=tmp_path).precision.name == "fp16"
