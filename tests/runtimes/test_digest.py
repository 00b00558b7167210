"""A file that is not the one that was written does not score, whatever changed in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import external_data_helper
from support_scorer import brightness_bundle, brightness_onnx

from ralikit.errors import BundleError
from ralikit.export.targets.onnx.facts import with_facts
from ralikit.files import sha256_path
from ralikit.model.facts import facts_of
from ralikit.runtimes.digest import (
    BLANK,
    DIGEST_KEY,
    DIGEST_MARK,
    checked_meanwhile,
    declared,
    manifest_path,
)
from ralikit.runtimes.onnx import OnnxRuntime, read_facts

VIEWS = np.full((3, 16, 16, 3), 255, np.uint8)


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Any]:
    return facts_of(brightness_bundle(tmp_path / "model")) | declared()


@pytest.fixture
def file(facts: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "good.onnx"
    path.write_bytes(with_facts(onnx.load_model_from_string(brightness_onnx(None)), facts))
    return path


def test_a_whole_file_scores_and_says_that_it_was_checked(file: Path) -> None:
    runtime = OnnxRuntime(file)
    assert runtime.run(VIEWS) == pytest.approx(5.0)
    assert runtime.facts.digested
    assert read_facts(file) == runtime.facts


def test_the_digest_is_a_sha256_that_others_can_check(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(DIGEST_MARK) + len(DIGEST_MARK)
    blank = data[:at] + b"0" * 64 + data[at + 64 :]
    assert data[at : at + 64].decode() == hashlib.sha256(blank).hexdigest()


def test_no_bit_of_a_file_can_change(file: Path) -> None:
    """Every byte, one bit each: graph, weights, facts, digest and the digest's own key."""
    whole = file.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        file.write_bytes(data)
        with pytest.raises(BundleError):
            read_facts(file)
    for at in range(0, len(whole), 97):  # loading them takes longer, and must refuse the same
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 32]) + whole[at + 1 :])
        with pytest.raises(BundleError) as caught:
            OnnxRuntime(file)
        assert "\n" not in str(caught.value)


def test_what_cannot_be_loaded_says_nothing_on_stdout(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ONNX Runtime announces with print that it tries again; under --json that is in the way."""
    model = onnx.load_model(file)
    model.graph.node[0].op_type = "Cost"
    facts = json.loads(model.metadata_props[0].value)
    file.write_bytes(with_facts(model, facts))
    with pytest.raises(BundleError, match="cannot be loaded"):
        OnnxRuntime(file)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("key", ["ralikit", DIGEST_KEY])
def test_a_second_entry_does_not_win(
    facts: dict[str, Any], tmp_path: Path, file: Path, sealed: bool, key: str
) -> None:
    if not sealed:
        file.write_bytes(brightness_onnx(facts_of(brightness_bundle(tmp_path / "old"))))
    more = onnx.ModelProto()
    text = json.dumps(facts | {"scale": {"minimum": 0, "maximum": 9, "meaning": "other"}})
    for _ in range(1 if sealed or key == "ralikit" else 2):
        more.metadata_props.add(key=key, value=text if key == "ralikit" else BLANK.decode())
    file.write_bytes(file.read_bytes() + more.SerializeToString())
    with pytest.raises(BundleError, match="metadata twice"):
        OnnxRuntime(file)


def test_weights_beside_a_file_are_refused(facts: dict[str, Any], tmp_path: Path) -> None:
    """ONNX Runtime would read them from wherever the file says, and nothing vouches for them."""
    model = onnx.load_model_from_string(brightness_onnx(facts))
    external_data_helper.convert_model_to_external_data(
        model, location="weights.bin", size_threshold=0, convert_attribute=True
    )
    onnx.save_model(model, tmp_path / "beside.onnx")
    assert (tmp_path / "weights.bin").exists()
    with pytest.raises(BundleError, match=r"keeps weights in another file, 'weights\.bin'"):
        OnnxRuntime(tmp_path / "beside.onnx")


def test_weights_beside_a_file_are_found_in_inner_graphs(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    model = onnx.load_model_from_string(brightness_onnx(facts))
    inner = onnx.helper.make_graph([], "inner", [], [], [model.graph.initializer[0]])
    tensor = inner.initializer[0]
    tensor.external_data.add(key="location", value="../elsewhere")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    model.graph.node.append(onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner))
    (tmp_path / "inner.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="elsewhere"):
        read_facts(tmp_path / "inner.onnx")


def test_an_older_file_opens_and_is_held_to_its_manifest(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "old.onnx"
    del facts["digest"]
    path.write_bytes(brightness_onnx(facts))
    assert not OnnxRuntime(path).facts.digested
    manifest_path(path).write_text(json.dumps({"sha256": sha256_path(path)}))
    assert OnnxRuntime(path).run(VIEWS) == pytest.approx(5.0)
    path.write_bytes(brightness_onnx(facts, gain=1.0))
    with pytest.raises(BundleError, match=r"old\.onnx\.ralikit\.json beside it speaks of"):
        OnnxRuntime(path)


def test_an_error_of_the_check_goes_before_the_readers(file: Path) -> None:
    digest = object()  # no digest: whatever the check raises
    with pytest.raises(AttributeError), checked_meanwhile(file, digest):  # type: ignore[arg-type]
        raise KeyError("what native code made of a damaged file")
