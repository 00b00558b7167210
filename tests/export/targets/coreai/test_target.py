"""The Core AI target: what is stored, what it scores in both runtimes, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_coreai import needs_coreai
from support_export import APPLE_DRIFT
from support_tflite import made_photos, tiny_facts, tiny_request, torch_scores
from support_vit import tiny_photos, vit_request
from torch import Tensor, nn

from ralikit.errors import BundleError, ExportError
from ralikit.export.targets.coreai import COREAI
from ralikit.export.targets.coreai import target as coreai
from ralikit.export.targets.coreai.graph import prepared
from ralikit.export.targets.coreml import compress
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.schemes import Stored, plan
from ralikit.files import sha256_path
from ralikit.model.facts import KEY, parse_facts
from ralikit.model.folded import Folded, with_outputs
from ralikit.runtimes.aimodel.asset import METADATA, open_asset, with_entries, write_metadata
from ralikit.runtimes.aimodel.program import Program
from ralikit.runtimes.coreai import CoreAiRuntime

pytestmark = needs_coreai

Files = Callable[[str], Path]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Files by precision, each converted once, with facts."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("coreai")

    def make(precision: str) -> Path:
        path = folder / f"{precision}.aimodel"
        if not path.exists():
            coreai.convert(tiny_request(precision), path)
            coreai.write_facts(path, tiny_facts())
        return path

    return make


@pytest.mark.parametrize("precision", APPLE_DRIFT)
def test_both_runtimes_score_like_the_graph(file: Files, precision: str) -> None:
    photos = made_photos(4)
    expected = torch_scores(tiny_request(precision).folded, photos)
    assert np.ptp(expected) > 0.5
    program = Program.load(open_asset(file(precision)))
    stand_in = [float(program.run(views)["score"][0]) for views in photos]
    apple = CoreAiRuntime(file(precision))
    found = [apple.run(views) for views in photos]
    assert np.abs(np.subtract(stand_in, expected)).max() <= APPLE_DRIFT[precision]
    assert np.abs(np.subtract(found, expected)).max() <= APPLE_DRIFT[precision]
    assert np.abs(np.subtract(found, stand_in)).max() <= (1e-5 if precision == "fp32" else 0.01)


@pytest.mark.parametrize("precision", APPLE_DRIFT)
def test_types_are_read_back_and_the_codes_are_core_mls(file: Files, precision: str) -> None:
    request = tiny_request(precision)
    assert coreai.layers(file(precision)) == coreml.promises(request.folded, precision)
    assert coreai.layers(file(precision))["head.basis"] == "float32"
    schemes = plan(request.folded, precision)
    if not schemes:
        return
    _, stored = compress.compress(request.folded, schemes, request.bench.calibration)
    asset = open_asset(file(precision))
    named = coreai._named(asset, Program.load(asset))
    for name, weight in stored.items():
        np.testing.assert_array_equal(named[name].values, weight.values().astype(np.float32))
        assert named[name].size == weight.size
        assert named[name].input_scale == weight.input_scale
    assert any(w.input_scale for w in named.values()) == (precision == "w8a8")


@pytest.mark.parametrize("precision", ["fp16", "pal4"])
def test_the_same_request_gives_the_same_bytes(file: Files, tmp_path: Path, precision: str) -> None:
    again = tmp_path / "again.aimodel"
    coreai.convert(tiny_request(precision), again)
    coreai.write_facts(again, tiny_facts())
    assert sha256_path(again) == sha256_path(file(precision))


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_transformer_goes_through_and_repeats(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / "a.aimodel", tmp_path / "b.aimodel"]
    request = vit_request(kind, "fp32")
    for path in paths:
        coreai.convert(request, path)
    assert sha256_path(paths[0]) == sha256_path(paths[1])
    photos = tiny_photos(kind, 3)
    expected = torch_scores(with_outputs(request.folded, ("score",)), photos)
    program = Program.load(open_asset(paths[0]))
    assert [float(program.run(v)["score"][0]) for v in photos] == pytest.approx(expected, abs=1e-4)


def test_every_layer_may_have_a_type_of_its_own(tmp_path: Path) -> None:
    request = tiny_request("auto")
    types = coreai.types_of(request.bench, "auto")
    assert set(types.values()) == {"float16", "float32"}
    mixed = {"tower.head": "int8", "tower.projection": "pal6", "tower.blocks.1.project": "int4"}
    path = tmp_path / "x.aimodel"
    coreai.convert(replace(request, types=types | mixed), path)
    assert coreai.layers(path) == types | mixed
    with pytest.raises(ExportError, match="auto stores layers in types chosen beforehand"):
        coreai.convert(request, path)


@pytest.mark.parametrize(("precision", "drift"), [("int8", 0.05), ("w8a8", 0.2)])
def test_a_transformers_weights_are_small_too(tmp_path: Path, precision: str, drift: float) -> None:
    request, path = vit_request("clip", precision), tmp_path / "x.aimodel"
    coreai.convert(request, path)
    found = coreai.layers(path)
    assert found == coreai.types_of(request.bench, precision)
    assert "int8" in found.values()
    photos = tiny_photos("clip", 3)
    expected = torch_scores(with_outputs(request.folded, ("score",)), photos)
    program = Program.load(open_asset(path))
    found_scores = [float(program.run(views)["score"][0]) for views in photos]
    assert found_scores == pytest.approx(expected, abs=drift)


def test_facts_are_plain_json_and_are_replaced(file: Files, tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "x.aimodel"
    shutil.copytree(file("fp32"), path)
    coreai.write_facts(path, tiny_facts() | {"precision": "twice"})
    written = json.loads((path / METADATA).read_text(encoding="utf-8"))
    text = written["creatorDefinedMetadata"][KEY]
    assert parse_facts(text, where="x").precision == "twice"
    assert coreai.layers(path) == coreai.layers(file("fp32"))


def test_conversion_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coreai.convert(tiny_request("int8"), tmp_path / "x.aimodel")
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize("planted", [1.0, float("nan")])
def test_a_planted_weight_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: float
) -> None:

    def wrong(folded: Folded, stored: dict[str, object], *, half: bool) -> Folded:
        made = prepared(folded, stored, half=half)  # type: ignore[arg-type]
        with torch.no_grad():
            made.head.basis.weight[0, 0] = planted
        return made

    monkeypatch.setattr(coreai, "prepared", wrong)
    with pytest.raises(ExportError, match=r"layer head\.basis: its weight is not in the file"):
        coreai.convert(tiny_request("fp16"), tmp_path / "x.aimodel")


@pytest.mark.parametrize(
    ("step", "words"),
    [(None, "reads floats in the file"), (0.25, r"reads int8 in steps of 0\.25 in the file")],
)
def test_other_activations_than_were_chosen_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float | None, words: str
) -> None:

    def wrong(folded: Folded, stored: dict[str, Stored], *, half: bool) -> Folded:
        other = {name: replace(weight, input_scale=step) for name, weight in stored.items()}
        return prepared(folded, other, half=half)

    monkeypatch.setattr(coreai, "prepared", wrong)
    with pytest.raises(ExportError, match=words):
        coreai.convert(tiny_request("w8a8"), tmp_path / "x.aimodel")


def test_a_compression_that_did_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "compress", lambda graph, scheme, calibration: (graph, {}))
    with pytest.raises(ExportError, match=r"layer tower\.\S+ is stored as float16 .* wants pal6"):
        coreai.convert(tiny_request("pal6"), tmp_path / "x.aimodel")


def test_a_graph_that_does_not_convert_is_one_sentence(tmp_path: Path) -> None:
    class Strange(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            determinants: Tensor = torch.linalg.det(pixels[:, :, :3, :3])
            return determinants.repeat(1, 2)

    request = tiny_request("fp32")
    request.folded.tower = Strange()  # type: ignore[assignment]
    with pytest.raises(ExportError, match="coreai-torch cannot convert this graph"):
        coreai.convert(request, tmp_path / "x.aimodel")


def test_a_file_that_does_not_name_its_weights_is_refused(file: Files, tmp_path: Path) -> None:
    import shutil

    path = tmp_path / "foreign.aimodel"
    shutil.copytree(file("fp32"), path)
    asset = open_asset(path)
    write_metadata(with_entries(asset, {coreai.NAMES: "[]"}))
    with pytest.raises(BundleError, match="names other weights than its program has"):
        coreai.layers(path)


def test_every_precision_says_what_it_means() -> None:
    assert all(precision.meaning for precision in COREAI.precisions)
