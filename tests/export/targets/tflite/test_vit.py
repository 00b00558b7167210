"""Transformers in TFLite: every precision runs whole on XNNPACK and holds what it promises."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from support_vit import CONFIGS, tiny_photos, tiny_scorer, vit_bundle, vit_request
from torch import nn

from ralikit.errors import ExportError
from ralikit.export.pipeline import check_layers
from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.tflite import layer_types as tflite_mixed
from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.lint import lint, stored_types
from ralikit.export.targets.tflite.names import layers_of, name_layers
from ralikit.export.targets.tflite.store import store, stored_codes
from ralikit.model.facts import facts_of
from ralikit.model.folded import Folded
from ralikit.model.rewrite import rewrite
from ralikit.runtimes.litert import LiteRtRuntime

BOTH = ("score", "embedding")
PHOTOS = tiny_photos("clip", 8)
SPREAD = 0.1
"""Least spread of the reference scores between photos: what a drift is read against."""


def made(kind: str, precision: str, folder: Path) -> Path:
    path = folder / f"{kind}-{precision}.tflite"
    tflite.convert(vit_request(kind, precision), path)
    tflite.write_facts(path, {**facts_of(vit_bundle(kind)), "outputs": list(BOTH)})
    return path


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("clip", "fp32", tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def scorer() -> Folded:
    return rewrite(tiny_scorer("clip"))


def linear(folded: Folded, name: str) -> nn.Linear:
    module = folded.get_submodule(name)
    assert isinstance(module, nn.Linear)
    return module


def reference(kind: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    whole = tiny_scorer(kind)  # not even lean
    with torch.inference_mode():
        scores = [float(whole(torch.from_numpy(v))) for v in tiny_photos(kind, 8)]
    assert np.ptp(scores) > SPREAD
    return np.array(scores)


def test_score_and_embedding_are_torchs_in_plain_litert(fp32: Path, scorer: Folded) -> None:
    run = Interpreter(model_path=str(fp32), num_threads=1).get_signature_runner()
    wanted = reference("clip")
    for views, score in zip(PHOTOS, wanted, strict=True):
        given = run(image=views)
        assert given["score"] == pytest.approx(score, abs=1e-5)
        with torch.inference_mode():
            embedding = scorer.tower(torch.from_numpy(views).permute(0, 3, 1, 2).float()).numpy()
        np.testing.assert_allclose(given["embedding"], embedding, atol=1e-4)


def test_a_block_is_few_operators_that_xnnpack_and_gpus_take(fp32: Path) -> None:
    graph = Graph.read(fp32)
    found = lint(graph, LiteRtRuntime(fp32, threads=1).placement())
    assert found.problem() is None
    assert found.gpu == ()
    assert found.operators < 40 * CONFIGS["clip"]["depth"] + 30
    assert max(len(graph.shape(int(t))) for op in graph.operators for t in op.outputs) == 4


@pytest.mark.parametrize(
    ("kind", "precision", "share"),
    [
        ("clip", "fp16", 0.01),
        ("clip", "int8-weights", 0.06),
        ("clip", "int8", 0.12),
        ("clip", "int4", 0.8),
        ("siglip", "int8", 0.12),
    ],
)
def test_every_precision_is_stored_as_promised_and_runs_in_one_piece(
    kind: str, precision: str, share: float, tmp_path: Path
) -> None:
    path = made(kind, precision, tmp_path)
    graph = Graph.read(path)
    promised = tflite.types_of(vit_request(kind, precision).bench, precision)
    assert stored_types(graph) == promised
    runtime = LiteRtRuntime(path, threads=1)
    assert lint(graph, runtime.placement()).problem() is None
    wanted = reference(kind)
    scores = np.array([runtime.run(views) for views in tiny_photos(kind, 8)])
    assert 0 < np.abs(scores - wanted).max() < share * np.ptp(wanted)
    # Integer arithmetic reads its weights as they are; storage alone expands them first.
    direct = {graph.dtype(int(op.inputs[1])) for op in graph.weighted()}
    assert ({"int8", "int4"} & direct != set()) == (precision in ("int8", "int4"))


def test_stored_numbers_are_the_rounded_ones(scorer: Folded, fp32: Path) -> None:
    types = typed_layers.uniform_types(scorer, "float32") | {
        "tower.blocks.0.mlp.up": "int8",
        "tower.blocks.0.mlp.down": "int4",
        "tower.blocks.1.attention.out": "float16",
    }
    calibration = tiny_photos("clip", 8, seed=1)
    plan = layer_types.prepare_mixed(
        Workbench(scorer, calibration), types, int4_block=None, activations="token"
    )
    graph = tflite.to_graph(plan.folded, (1, 56, 56, 3))
    tflite_mixed.write(graph, plan, dynamic=True)
    graph = Graph(graph.pack())
    assert stored_types(graph) == types
    for name in ("tower.blocks.0.mlp.up", "tower.blocks.0.mlp.down"):
        tensor = next(
            int(op.inputs[1]) for op in graph.weighted() if graph.name(op.outputs[0]) == name
        )
        wanted = linear(plan.folded, name).weight.numpy()
        np.testing.assert_allclose(stored_codes(graph, tensor).expanded(), wanted, atol=1e-6)
    # Another rounding than the one that is planned for is refused.
    other = copy.deepcopy(plan)
    linear(other.folded, "tower.blocks.0.mlp.up").weight.mul_(1.001)
    with pytest.raises(ExportError, match=r"blocks\.0\.mlp\.up is stored as other weights"):
        tflite_mixed.check_codes(graph, other)
    with pytest.raises(ExportError, match="is stored as float32 where int8 was promised"):
        check_layers(typed_layers.uniform_types(scorer, "int8"), stored_types(graph), what="x")


def test_a_weight_off_its_grid_is_refused(fp32: Path) -> None:
    with pytest.raises(ExportError, match=r"mlp\.up: weights lie off their int8 grid"):
        store(Graph.read(fp32), {"tower.blocks.0.mlp.up": "int8"})
    with pytest.raises(ExportError, match="patches cannot be stored as int8: it is a CONV_2D"):
        store(Graph.read(fp32), {"tower.patches": "int8"})
    with pytest.raises(ExportError, match="not in the converted graph"):
        store(Graph.read(fp32), {"tower.blocks.7.mlp.up": "int8"})


def test_a_layer_that_is_not_in_the_file_is_an_error(fp32: Path, scorer: Folded) -> None:
    graph, changed = Graph.read(fp32), copy.deepcopy(scorer)
    name_layers(graph, layers_of(changed))
    linear(changed, "tower.blocks.1.attention.key").weight[3, 3] += 0.01
    with pytest.raises(ExportError, match=r"blocks\.1\.attention\.key is not in the converted"):
        name_layers(Graph.read(fp32), layers_of(changed))


def test_layers_of_equal_weights_are_told_apart_by_their_biases(scorer: Folded) -> None:
    twins = copy.deepcopy(scorer)
    first, last = (linear(twins, f"tower.blocks.{i}.mlp.down") for i in (0, 1))
    last.weight.copy_(first.weight)
    graph = tflite.to_graph(twins, (1, 56, 56, 3))
    for op in graph.weighted():
        name = graph.name(int(op.outputs[0]))
        if name.endswith("mlp.down"):
            bias = graph.constant(int(op.inputs[2]))
            np.testing.assert_array_equal(bias, linear(twins, name).bias.numpy())
    store(graph, {"tower.blocks.0.mlp.down": "float16"})
    types = stored_types(Graph(graph.pack()))
    assert types["tower.blocks.0.mlp.down"] == "float16"
    assert types["tower.blocks.1.mlp.down"] == "float32"


def test_the_same_model_gives_the_same_bytes(fp32: Path, tmp_path: Path) -> None:
    assert made("clip", "fp32", tmp_path).read_bytes() == fp32.read_bytes()
