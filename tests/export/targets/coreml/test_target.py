"""The Core ML target: what is stored, what it scores, and that asking for a type gets it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_export import APPLE_DRIFT
from support_tflite import made_photos, tiny_facts, tiny_request, torch_scores
from torch import Tensor, nn

from ralikit.errors import BundleError, ExportError
from ralikit.export.targets.coreml import COREML, compress
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.names import NAMES, constant_names
from ralikit.files import sha256_path, size_bytes
from ralikit.model.facts import KEY, dump_facts, parse_facts
from ralikit.runtimes.mil import Program, open_package
from ralikit.runtimes.mil.silent import coremltools

Packages = Callable[[str], Path]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Packages by precision, each converted once."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("coreml")

    def make(precision: str) -> Path:
        path = folder / f"{precision}.mlpackage"
        if not path.exists():
            coreml.convert(tiny_request(precision), path)
        return path

    return make


def scores(path: Path, photos: list[np.ndarray], *, round_fp16: bool = False) -> list[float]:
    program = Program.load(open_package(path))
    return [
        float(program.run({"image": v.astype(np.float32)}, round_fp16=round_fp16)["score"][0])
        for v in photos
    ]


@pytest.mark.parametrize("precision", APPLE_DRIFT)
def test_the_package_scores_like_the_graph(package: Packages, precision: str) -> None:
    photos = made_photos(6)
    expected = torch_scores(tiny_request(precision).folded, photos)
    assert np.ptp(expected) > 0.5
    got = scores(package(precision), photos, round_fp16=True)
    assert np.abs(np.subtract(got, expected)).max() <= APPLE_DRIFT[precision]


@pytest.mark.parametrize(("precision", "tower"), [("fp32", "float32"), ("fp16", "float16")])
def test_every_layer_of_the_tower_has_the_type_and_the_head_is_float32(
    package: Packages, precision: str, tower: str
) -> None:
    graph = tiny_request(precision).folded
    layers = {name for name, m in graph.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    found = coreml.layers(package(precision))
    assert set(found) == layers
    assert {k: v for k, v in found.items() if k.startswith("head.")} == {
        "head.project": "float32",
        "head.basis": "float32",
    }
    assert {v for k, v in found.items() if k.startswith("tower.")} == {tower}


@pytest.mark.parametrize("precision", ["int8", "pal6", "pal4", "int4"])
def test_compression_leaves_the_delicate_layers_alone(package: Packages, precision: str) -> None:
    found = coreml.layers(package(precision))
    for layer in ("tower.blocks.1.project", "tower.head", "tower.projection"):
        assert found[layer] == precision
    for layer in ("tower.stem", "tower.blocks.0.depthwise", "tower.blocks.1.depthwise"):
        assert found[layer] == "float16"
    assert found["head.project"] == "float32"
    assert found == coreml.promises(tiny_request(precision).folded, precision)


def test_fewer_bits_take_less_room(package: Packages) -> None:
    def weights(precision: str) -> int:
        return size_bytes(open_package(package(precision)).weights)

    assert weights("fp32") > weights("fp16") > weights("int8")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_same_request_gives_the_same_bytes(
    package: Packages, tmp_path: Path, precision: str
) -> None:
    again = tmp_path / "again.mlpackage"
    coreml.convert(tiny_request(precision), again)
    assert sha256_path(again) == sha256_path(package(precision))


def test_whoever_may_read_a_new_file_may_read_the_package(
    package: Packages, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    new.touch()
    files = [file for file in package("fp16").rglob("*") if file.is_file()]
    assert len(files) >= 3
    assert {file.stat().st_mode for file in files} == {new.stat().st_mode}


def test_int8_weights_is_the_same_file_as_int8(package: Packages) -> None:
    """Core ML's int8 is weight-only, whatever it is called; the table of meanings says so."""
    assert sha256_path(package("int8")) == sha256_path(package("int8-weights"))
    assert "not integer arithmetic" in str(COREML.precision("int8").meaning)
    assert all(precision.meaning for precision in COREML.precisions)


def test_paddings_are_part_of_the_convolutions(package: Packages) -> None:
    kinds = {step.kind for step in Program.load(open_package(package("fp16"))).steps}
    assert "conv" in kinds
    assert "pad" not in kinds


def test_the_read_out_computes_in_float32(package: Packages) -> None:
    types = {
        step.kind: step.outputs[0][1] for step in Program.load(open_package(package("fp16"))).steps
    }
    assert types["conv"] == "fp16"
    assert types["softmax"] == types["rsqrt"] == "fp32"


def test_coremltools_alone_opens_it_and_sees_the_contract(package: Packages) -> None:
    ct = coremltools("This test")
    model = ct.models.MLModel(str(package("int8")), skip_model_load=True)
    spec = model.get_spec()
    (image,), (score,) = spec.description.input, spec.description.output
    assert (image.name, list(image.type.multiArrayType.shape)) == ("image", [2, 32, 32, 3])
    float32 = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    assert image.type.multiArrayType.dataType == float32
    assert (score.name, score.type.multiArrayType.dataType) == ("score", float32)
    assert spec.specificationVersion == ct._SPECIFICATION_VERSION_IOS_16
    assert "conversion_date" not in str(spec)


def test_facts_are_written_replaced_and_leave_the_program_alone(
    package: Packages, tmp_path: Path
) -> None:
    path = tmp_path / "facts.mlpackage"
    shutil.copytree(package("fp16"), path)
    photos = made_photos(1)
    before = scores(path, photos)
    for precision in ("fp16", "twice"):
        coreml.write_facts(path, tiny_facts() | {"precision": precision})
    text = open_package(path).metadata[KEY]
    assert text == dump_facts(tiny_facts() | {"precision": "twice"})
    assert parse_facts(text, where="x").precision == "twice"
    assert scores(path, photos) == before
    assert coreml.layers(path) == coreml.layers(package("fp16"))


def test_conversion_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coreml.convert(tiny_request("int8"), tmp_path / "x.mlpackage")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_a_compression_that_did_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "compress", lambda graph, scheme, calibration: (graph, {}))
    with pytest.raises(ExportError, match=r"layer tower\.\S+ is stored as float16 .* wants pal6"):
        coreml.convert(tiny_request("pal6"), tmp_path / "x.mlpackage")


def test_float16_in_the_read_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coreml, "tower_selector", lambda: lambda op: True)
    with pytest.raises(ExportError, match=r"layer head\.project is stored as float16"):
        coreml.convert(tiny_request("fp16"), tmp_path / "x.mlpackage")


def test_a_graph_that_does_not_convert_is_one_sentence(tmp_path: Path) -> None:
    class Strange(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            determinants: Tensor = torch.linalg.det(pixels[:, :, :3, :3])
            return determinants.repeat(1, 2)

    request = tiny_request("fp16")
    request.folded.tower = Strange()  # type: ignore[assignment]
    with pytest.raises(ExportError, match="coremltools cannot convert this graph"):
        coreml.convert(request, tmp_path / "x.mlpackage")


def test_layers_refuses_a_package_that_does_not_name_its_weights(
    package: Packages, tmp_path: Path
) -> None:
    path = tmp_path / "foreign.mlpackage"
    shutil.copytree(package("fp16"), path)
    opened = open_package(path)
    del opened.spec.description.metadata.userDefined[NAMES]
    opened.model.write_bytes(opened.spec.SerializeToString())
    with pytest.raises(BundleError, match="does not name its weights"):
        coreml.layers(path)


def test_tools_name_their_versions() -> None:
    assert coreml.tools()["coremltools"] == coremltools("This test").__version__


def test_the_weight_names_survive_an_odd_tower() -> None:
    """Underscores inside names do not turn into dots: the table is written, not guessed."""
    graph = replace(tiny_request("fp16")).folded
    graph.tower.odd_name = nn.Linear(2, 2)
    assert constant_names(graph)["p_tower_odd_name_weight"] == "tower.odd_name.weight"
