"""int8 means integers from the pixels to the embedding, on the very grids that were planned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from support_tflite import (
    SIZE,
    VIEWS,
    litert_scores,
    made_photos,
    tiny_facts,
    tiny_request,
    tiny_scorer,
    torch_scores,
)

from ralikit.errors import ExportError
from ralikit.export.quantise.int8 import Int8Plan, prepare_int8
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.tflite import quant as tflite_quant
from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.graph import Graph
from ralikit.runtimes.litert import LiteRtRuntime

SHAPE = (VIEWS, SIZE, SIZE, 3)
CALIBRATION = tiny_request("int8").bench.calibration


@pytest.fixture(scope="module")
def plan() -> Int8Plan:
    return prepare_int8(tiny_scorer(), CALIBRATION)


@pytest.fixture(scope="module")
def converted(plan: Int8Plan) -> bytes:
    return tflite.to_graph(plan.folded, SHAPE).pack()


@pytest.fixture(scope="module")
def int8(plan: Int8Plan, converted: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("int8") / "tiny.tflite"
    path.write_bytes(tflite_quant.static(Graph(converted), plan, CALIBRATION).pack())
    tflite.write_facts(path, tiny_facts())
    return path


def test_every_layer_of_the_tower_is_an_integer_kernel(int8: Path) -> None:
    for name, stored in tflite.layers(int8).items():
        assert stored == ("float32" if name.startswith("head.") else "int8"), name
    graph = Graph.read(int8)
    for op in graph.weighted():
        ends = [graph.dtype(int(op.inputs[0])), graph.dtype(int(op.outputs[0]))]
        head = graph.name(op.outputs[0]).startswith("head.")
        assert ends == (["float32"] * 2 if head else ["int8"] * 2)


def test_nothing_between_two_layers_goes_back_to_float(int8: Path) -> None:
    graph = Graph.read(int8)
    kinds = [graph.kind(op) for op in graph.operators]
    assert kinds.count("QUANTIZE") == 1
    assert kinds.count("DEQUANTIZE") == 1
    placement = LiteRtRuntime(int8, threads=1).placement()
    assert placement.partitions == 1
    assert placement.outside == ("QUANTIZE",)


def test_the_photos_bytes_are_the_first_layers_input(int8: Path, plan: Int8Plan) -> None:
    graph = Graph.read(int8)
    first = graph.operators[0]
    assert graph.kind(first) == "QUANTIZE"
    assert list(first.inputs) == list(graph.main.inputs)
    source, result = (
        graph.main.tensors[int(t)].quantization for t in (*first.inputs, *first.outputs)
    )
    assert source.scale[0] == result.scale[0] == pytest.approx(plan.pixels.step)
    # A byte p becomes p - 128: no value is rounded, whatever the step.
    assert (source.zeroPoint[0], result.zeroPoint[0]) == (plan.pixels.zero, plan.pixels.zero - 128)


def test_stored_weights_are_the_planned_ones(int8: Path, plan: Int8Plan) -> None:
    graph = Graph.read(int8)
    planned = dict(plan.folded.named_modules())
    for op in graph.weighted():
        name = graph.name(int(op.outputs[0]))
        if name.startswith("head."):
            continue
        tensor = int(op.inputs[1])
        scale = np.asarray(graph.main.tensors[tensor].quantization.scale)
        values = graph.constant(tensor)
        assert values is not None
        axis = graph.main.tensors[tensor].quantization.quantizedDimension
        shape = [-1 if a == axis else 1 for a in range(values.ndim)]
        wanted = planned[name].weight.detach().numpy()
        if wanted.ndim == 4:
            wanted = wanted.transpose((1, 2, 3, 0) if wanted.shape[1] == 1 else (0, 2, 3, 1))
        np.testing.assert_allclose(values * scale.reshape(shape), wanted, rtol=1e-5, atol=1e-7)


def test_a_dead_channel_keeps_its_bias(plan: Int8Plan, converted: bytes) -> None:
    graph = Graph(converted)
    stem = next(graph.weighted())
    weight, bias = (graph.constant(int(t)) for t in stem.inputs[1:])
    assert weight is not None
    assert bias is not None
    weight[2], bias[2] = 1e-11, 4.5
    graph.set_constant(int(stem.inputs[1]), weight)
    graph.set_constant(int(stem.inputs[2]), bias)
    graph = tflite_quant.static(graph, plan, CALIBRATION)
    tensor = int(next(graph.weighted()).inputs[2])
    stored = graph.constant(tensor)
    assert stored is not None
    scale = graph.main.tensors[tensor].quantization.scale[2]
    assert stored[2] * scale == pytest.approx(4.5, rel=1e-5)


def test_stored_biases_are_the_planned_ones(int8: Path, plan: Int8Plan) -> None:
    graph = Graph.read(int8)
    planned = dict(plan.folded.named_modules())
    for op in graph.weighted():
        name = graph.name(int(op.outputs[0]))
        if name.startswith("head."):
            continue
        values = graph.constant(int(op.inputs[2]))
        assert values is not None
        scale = np.asarray(graph.main.tensors[int(op.inputs[2])].quantization.scale)
        wanted = planned[name].bias.detach().numpy()
        np.testing.assert_allclose(values * scale, wanted, rtol=1e-4, atol=float(scale.max()))


def test_stored_grids_are_the_planned_ones(int8: Path, plan: Int8Plan) -> None:
    graph = Graph.read(int8)
    found = {graph.name(i): t.quantization for i, t in enumerate(graph.main.tensors)}
    for name, grid in plan.grids.items():
        stored = found[f"tower.{name}"]
        assert stored.scale[0] == pytest.approx(grid.step, rel=1e-6)
        assert stored.zeroPoint[0] == grid.zero - 128


def test_scores_stay_close_and_in_order(int8: Path) -> None:
    photos = made_photos(40, seed=5)
    reference = np.array(torch_scores(tiny_scorer(), photos))
    drift = np.abs(np.array(litert_scores(int8, photos)) - reference)
    assert np.percentile(drift, 95) < 0.25 * reference.std()


def test_the_same_plan_gives_the_same_bytes(
    int8: Path, plan: Int8Plan, converted: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "again.tflite"
    path.write_bytes(tflite_quant.static(Graph(converted), plan, CALIBRATION).pack())
    tflite.write_facts(path, tiny_facts())
    assert path.read_bytes() == int8.read_bytes()


def test_int8_without_photos_is_refused(tmp_path: Path) -> None:
    request = dataclasses.replace(tiny_request("int8"), bench=Workbench(tiny_scorer()))
    with pytest.raises(ExportError, match="needs calibration photos"):
        tflite.convert(request, tmp_path / "x.tflite")
    assert not (tmp_path / "x.tflite").exists()


def test_a_layer_without_a_range_is_refused_not_left_in_float(
    plan: Int8Plan, converted: bytes
) -> None:
    grids = {name: grid for name, grid in plan.grids.items() if name != "blocks.1.expand"}
    with pytest.raises(ExportError, match=r"no range for tower\.blocks\.1\.expand"):
        tflite_quant.static(Graph(converted), dataclasses.replace(plan, grids=grids), CALIBRATION)
