"""The .tflite is the torch scorer: same scores, same layers, convolutions as phones want them."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_tflite import (
    litert_scores,
    made_photos,
    tiny_facts,
    tiny_file,
    tiny_request,
    tiny_scorer,
    torch_scores,
)
from torch import nn

from ralikit.errors import BundleError, ExportError
from ralikit.export.quantise import typed_layers
from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.graph import SAME, VALID, Graph
from ralikit.model.facts import KEY, dump_facts, parse_facts
from ralikit.runtimes.litert import LiteRtRuntime, read_facts

PHOTOS = made_photos(8)


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "tiny.tflite"
    path.write_bytes(tiny_file("fp32"))
    return path


@pytest.fixture(scope="module")
def reference() -> list[float]:
    scores = torch_scores(tiny_scorer(), PHOTOS)
    assert np.std(scores) > 0.2  # or nothing below could fail
    return scores


def test_litert_gives_torchs_scores(fp32: Path, reference: list[float]) -> None:
    assert litert_scores(fp32, PHOTOS) == pytest.approx(reference, abs=1e-5)


def test_convolutions_stay_in_nhwc_with_their_padding_inside(fp32: Path) -> None:
    graph = Graph.read(fp32)
    kinds = [graph.kind(op) for op in graph.operators]
    assert "TRANSPOSE" not in kinds
    assert "PAD" not in kinds
    strided = [op for op in graph.operators if graph.kind(op) == "DEPTHWISE_CONV_2D"]
    assert all(op.builtinOptions.padding == SAME for op in strided)
    assert graph.shape(graph.operators[0].inputs[0]) == (2, 32, 32, 3)


def test_one_xnnpack_partition_takes_all_but_the_cast_of_the_pixels(
    fp32: Path, tmp_path: Path
) -> None:
    path = tmp_path / "facts.tflite"
    path.write_bytes(fp32.read_bytes())
    tflite.write_facts(path, tiny_facts())
    placement = LiteRtRuntime(path, threads=1).placement()
    assert placement.partitions == 1
    assert placement.outside == ("CAST",)


def test_layers_carry_the_models_own_names(fp32: Path) -> None:
    scorer = tiny_scorer()
    modules = {n for n, m in scorer.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert tflite.layers(fp32) == dict.fromkeys(modules, "float32")


@pytest.mark.parametrize(
    ("precision", "stored", "limit"), [("fp16", "float16", 0.01), ("int8-weights", "int8", 0.1)]
)
def test_smaller_weights_are_stored_and_score_nearly_the_same(
    precision: str,
    stored: str,
    limit: float,
    tmp_path: Path,
    reference: list[float],
) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(tiny_file(precision))
    for name, kind in tflite.layers(path).items():
        assert kind == ("float32" if name.startswith("head.") else stored), name
    drift = np.abs(np.subtract(litert_scores(path, PHOTOS), reference))
    assert 0 < drift.max() < limit


def test_a_convolutional_tower_takes_a_type_for_every_layer(
    tmp_path: Path, reference: list[float]
) -> None:
    request = tiny_request("auto")
    types = dict.fromkeys(typed_layers.weighted(request.folded), "int8")
    types |= {n: "float32" for n in types if n.startswith("head.")}
    types |= {"tower.stem": "float32", "tower.blocks.1.depthwise": "float16"}
    path = tmp_path / "auto.tflite"
    tflite.convert(replace(request, types=types), path)
    assert tflite.layers(path) == types
    drift = np.abs(np.subtract(litert_scores(path, PHOTOS), reference))
    assert 0 < drift.max() < 0.1


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"int2.*it has fp32, fp16"):
        tflite.convert(tiny_request("int2"), tmp_path / "x.tflite")
    with pytest.raises(ExportError, match=r"int4 is for vision transformers.*fp32, fp16, int8"):
        tflite.convert(tiny_request("int4"), tmp_path / "x.tflite")
    assert not (tmp_path / "x.tflite").exists()


def test_the_same_model_gives_the_same_bytes_and_no_chatter(
    fp32: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again.tflite"
    capfd.readouterr()
    tflite.convert(tiny_request("fp32"), again)
    assert capfd.readouterr() == ("", "")
    assert again.read_bytes() == fp32.read_bytes()


def test_converting_leaves_pythons_recursion_limit_as_it_was(fp32: Path) -> None:
    assert fp32.exists()
    assert sys.getrecursionlimit() < 10_000
    with pytest.raises(BundleError, match="not valid JSON"):
        parse_facts("[" * 200_000, where="x")


def test_the_makers_are_named_with_their_versions() -> None:
    assert tflite.tools()["litert-torch"] == importlib.metadata.version("litert-torch")


def test_facts_are_written_read_and_replaced_in_place(fp32: Path, tmp_path: Path) -> None:
    path = tmp_path / "facts.tflite"
    path.write_bytes(fp32.read_bytes())
    tflite.write_facts(path, {**tiny_facts(), "precision": "fp32", "note": "x" * 5000})
    tflite.write_facts(path, tiny_facts())
    once = path.read_bytes()
    tflite.write_facts(path, tiny_facts())
    assert path.read_bytes() == once
    assert read_facts(path).written == tiny_facts()
    names = [entry.name for entry in Graph.read(path).model.metadata]
    assert names.count(KEY.encode()) == 1
    assert Graph.read(path).metadata(KEY) == dump_facts(tiny_facts()).encode()


class _Padded(nn.Module):
    """A zero padding that is not SAME: one row above and left of a strided convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.float().permute(0, 3, 1, 2) / 255.0
        y = self.conv(nn.functional.pad(pixels, (1, 0, 1, 0)))
        score: torch.Tensor = torch.relu(y).mean(dim=(2, 3)).mean().view(1)
        return score


def test_a_padding_that_is_not_same_stays_what_it_is(tmp_path: Path) -> None:
    model = _Padded().eval()
    graph = tflite.to_graph(model, (2, 32, 32, 3))  # type: ignore[arg-type]
    path = tmp_path / "padded.tflite"
    path.write_bytes(graph.pack())
    kinds = [graph.kind(op) for op in graph.operators]
    assert kinds.count("PAD") == 1
    assert "TRANSPOSE" not in kinds
    assert next(graph.weighted()).builtinOptions.padding == VALID
    wanted = torch_scores(model, PHOTOS)  # type: ignore[arg-type]
    assert litert_scores(path, PHOTOS) == pytest.approx(wanted, abs=1e-6)
