"""A bundle comes back as it was written, and an altered one is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import make_head

from ralikit.errors import BundleError, UsageError
from ralikit.model.bundle import (
    BundleInfo,
    TowerSpec,
    keep_one_copy,
    read_bundle,
    read_safetensors,
    write_bundle,
    write_safetensors,
)
from ralikit.photo.views import Preprocess


def _info() -> BundleInfo:
    return BundleInfo(
        name="tiny",
        tower=TowerSpec(kind="mobilenet_v2", config={"dim": 6}, weights="random"),
        preprocess=Preprocess(size=32, shortest_edge=48, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.1,
    )


def test_a_bundle_comes_back_as_written(tmp_path: Path) -> None:
    tower = {"w": np.arange(6, dtype=np.float16).reshape(2, 3)}
    written = write_bundle(tmp_path / "b", _info(), tower=tower, head=make_head())
    again = read_bundle(tmp_path / "b")
    assert again.info == _info()
    assert again.hash == written.hash
    np.testing.assert_array_equal(
        read_safetensors(tmp_path / "b" / "tower.safetensors")["w"], tower["w"]
    )
    np.testing.assert_allclose(again.head().scores, make_head().scores, rtol=1e-6)
    with pytest.raises(UsageError, match="exists already"):
        write_bundle(tmp_path / "b", _info(), tower=tower, head=make_head())


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    tower = {"w": np.ones((2, 3), dtype=np.float16)}
    one = write_bundle(tmp_path / "1", _info(), tower=tower, head=make_head())
    two = write_bundle(tmp_path / "2", _info(), tower=tower, head=make_head())
    assert one.files == two.files
    assert (one.root / "ralikit.json").read_bytes() == (two.root / "ralikit.json").read_bytes()


@pytest.mark.parametrize("damage", ["flip", "remove", "schema", "escape", "json"])
def test_an_altered_bundle_is_refused(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "b"
    write_bundle(root, _info(), tower={"w": np.ones(3, np.float16)}, head=make_head())
    manifest = root / "ralikit.json"
    raw = json.loads(manifest.read_text())
    if damage == "flip":
        data = bytearray((root / "head.safetensors").read_bytes())
        data[-1] ^= 1
        (root / "head.safetensors").write_bytes(data)
    elif damage == "remove":
        (root / "tower.safetensors").unlink()
    elif damage == "schema":
        manifest.write_text(json.dumps({**raw, "schema": 99}))
    elif damage == "escape":
        raw["files"]["../x"] = "0"
        manifest.write_text(json.dumps(raw))
    else:
        manifest.write_text("{")
    with pytest.raises(BundleError):
        read_bundle(root)


def test_a_changed_description_is_refused(tmp_path: Path) -> None:
    """It is what scores depend on that no other file's hash covers."""
    root = tmp_path / "b"
    write_bundle(root, _info(), tower={"w": np.ones(3, np.float16)}, head=make_head())
    manifest = root / "ralikit.json"
    raw = json.loads(manifest.read_text())
    raw["model"]["temperature"] *= 2
    manifest.write_text(json.dumps(raw))
    with pytest.raises(BundleError, match=r"take \"hash\" out"):
        read_bundle(root)
    raw["hasi"] = raw.pop("hash")  # one bit
    manifest.write_text(json.dumps(raw))
    with pytest.raises(BundleError, match="'hasi', which a bundle does not have"):
        read_bundle(root)
    del raw["hasi"]  # a bundle from before, or a change on purpose
    manifest.write_text(json.dumps(raw, indent=7))
    assert read_bundle(root).info.temperature == 2 * _info().temperature


def test_safetensors_refuses_what_lies_outside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    table = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    for data in (
        b"",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", len(table)) + table + b"\0" * 8,
        struct.pack("<Q", len(table)) + table.replace(b"[4]", b"[5]") + b"\0" * 16,
        struct.pack("<Q", len(table)) + table.replace(b"F32", b"XXX") + b"\0" * 16,
        struct.pack("<Q", 2) + b"[]",
    ):
        path.write_bytes(data)
        with pytest.raises(BundleError, match="safetensors"):
            read_safetensors(path)


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    numpy_io = pytest.importorskip("safetensors.numpy")
    tensors: dict[str, np.ndarray[Any, Any]] = {
        "b": np.arange(4, dtype=np.int64),
        "a": np.ones((2, 2), np.float32),
    }
    write_safetensors(tmp_path / "x.safetensors", tensors, {"note": "hello"})
    back = numpy_io.load_file(tmp_path / "x.safetensors")
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array)
    numpy_io.save_file(tensors, tmp_path / "y.safetensors")
    again = read_safetensors(tmp_path / "y.safetensors")
    np.testing.assert_array_equal(again["b"], tensors["b"])


def _onnx_with(tower: dict[str, np.ndarray[Any, Any]], path: Path) -> bytes:
    """An ONNX file with these initialisers and one that is no tower's."""
    onnx = pytest.importorskip("onnx")
    kept = [onnx.numpy_helper.from_array(v, f"tower.{k}") for k, v in tower.items()]
    kept.append(onnx.numpy_helper.from_array(np.ones(2, np.float32), "head.scores"))
    graph = onnx.helper.make_graph([], "g", [], [], initializer=kept)
    onnx.save(onnx.helper.make_model(graph), path)
    return path.read_bytes()


def test_one_copy_of_the_weights_serves_both(tmp_path: Path) -> None:
    tower: dict[str, np.ndarray[Any, Any]] = {
        "w": np.arange(6, dtype=np.float16).reshape(2, 3),
        "b": (np.ones(2) / 3).astype(np.float16),
    }
    # a bias is stored in float32 there; float16 holds it all the same
    stored = {"w": tower["w"], "b": tower["b"].astype(np.float32)}
    onnx_file = _onnx_with(stored, tmp_path / "scorer.onnx")
    whole = write_bundle(
        tmp_path / "b", _info(), tower=tower, head=make_head(), extra={"scorer.onnx": onnx_file}
    )
    one = keep_one_copy(whole)
    assert one.hash == whole.hash
    assert not (one.root / "tower.safetensors").exists()
    assert one.tower_file.name == "scorer.onnx"
    assert one.tower_numbers() == 8
    found = one.tower_tensors()
    assert set(found) == set(tower)
    for name, array in tower.items():
        assert found[name].dtype == np.float16
        np.testing.assert_array_equal(found[name], array)


def test_one_copy_of_other_weights_is_refused(tmp_path: Path) -> None:
    tower = {"w": np.ones((2, 3), np.float16)}
    other = _onnx_with({"w": tower["w"] * 2}, tmp_path / "other.onnx")
    bundle = write_bundle(
        tmp_path / "b", _info(), tower=tower, head=make_head(), extra={"scorer.onnx": other}
    )
    with pytest.raises(BundleError, match="does not hold the weights"):
        keep_one_copy(bundle)
    assert (bundle.root / "tower.safetensors").is_file()  # nothing was lost
    fine = _onnx_with({"w": tower["w"] * 2.00012}, tmp_path / "fine.onnx")
    bundle = write_bundle(
        tmp_path / "c", _info(), tower=tower, head=make_head(), extra={"scorer.onnx": fine}
    )
    with pytest.raises(BundleError, match=r"does not hold|more than float16"):
        keep_one_copy(bundle)
    plain = write_bundle(tmp_path / "d", _info(), tower=tower, head=make_head())
    with pytest.raises(BundleError, match=r"carries no scorer\.onnx"):
        keep_one_copy(plain)


def test_a_tower_said_to_lie_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "b"
    write_bundle(root, _info(), tower={"w": np.ones(3, np.float16)}, head=make_head())
    manifest = json.loads((root / "ralikit.json").read_text(encoding="utf-8"))
    for place in ("../other.onnx", "head.safetensors"):
        (root / "ralikit.json").write_text(json.dumps({**manifest, "tower_in": place}))
        with pytest.raises(BundleError, match="a tower lies in"):
            read_bundle(root)
    (root / "ralikit.json").write_text(json.dumps({**manifest, "tower_in": "scorer.onnx"}))
    with pytest.raises(BundleError, match="must list"):
        read_bundle(root)
