"""Fixed ranges: both targets' files compute what the plan says, and outliers do not spoil it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from support_vit import tiny_photos, tiny_scorer, vit_request
from torch import Tensor

from ralikit.errors import ExportError
from ralikit.export.quantise import typed_layers
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.int8 import round_activation, weight_steps
from ralikit.export.quantise.smoothing import Smoothing
from ralikit.export.quantise.static import StaticPlan, prepare_static
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target as onnx_target
from ralikit.export.targets.target import Request
from ralikit.export.targets.tflite import target as tflite_target
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.lint import stored_types
from ralikit.model.folded import Folded
from ralikit.model.rewrite import rewrite
from ralikit.runtimes.onnxruntime_import import ort

PHOTOS = tiny_photos("clip", 6, seed=5)


@pytest.fixture(scope="module")
def request_() -> Request:
    return vit_request("clip", "int8-static")


@pytest.fixture(scope="module")
def plan(request_: Request) -> StaticPlan:
    return request_.bench.static_plan


def planned(plan: StaticPlan) -> np.ndarray:
    """What the plan's arithmetic makes of the photos: its grids around its layers, in torch."""
    folded = plan.mixed.folded
    handles = []
    for name, layer in typed_layers.small_layers(folded).items():
        read, given = plan.inputs[name], plan.outputs[name]

        def before(_m: object, x: tuple[Tensor, ...], read: object = read) -> Tensor:
            return round_activation(x[0], read)  # type: ignore[arg-type]

        def after(_m: object, _x: object, y: Tensor, given: object = given) -> Tensor:
            return round_activation(y, given)  # type: ignore[arg-type]

        handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    try:
        return _embeddings(folded)
    finally:
        for handle in handles:
            handle.remove()


def _embeddings(folded: Folded) -> np.ndarray:
    with torch.inference_mode():
        return np.concatenate([folded.tower(pixels_of(folded, v)).numpy() for v in PHOTOS])


def _typical(difference: np.ndarray) -> float:
    # Of the middle photo: on one now and then a value near a step's half goes the other way.
    return float(np.median(np.abs(difference).max(1)))


def test_onnx_computes_what_the_plan_says(
    request_: Request, plan: StaticPlan, tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    onnx_target.convert(request_, path)
    options = ort.SessionOptions()  # as the project's own runtime sets it
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(["embedding"], {"image": v})[0] for v in PHOTOS])
    assert _typical(found - planned(plan)) < 1e-5
    kinds = [node.op_type for node in onnx.load_model(path).graph.node]
    layers = len(typed_layers.small_layers(request_.bench.folded))
    assert "DynamicQuantizeLinear" not in kinds
    # query, key and value share what they read, and the last block's query reads one token alone
    assert kinds.count("QuantizeLinear") == layers + 4 * 3 + 1
    assert set(onnx_target.layers(path).values()) == {"int8", "float32"}


def test_tflite_computes_what_the_plan_says(
    request_: Request, plan: StaticPlan, tmp_path: Path
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "x.tflite"
    tflite_target.convert(request_, path)
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    found = np.concatenate([runner(image=v)["embedding"] for v in PHOTOS])
    # Its norms are written out: float32 rounds otherwise, and values near a half go the other way.
    exact = _embeddings(request_.bench.folded)
    assert np.abs(found - exact).mean() < 1.3 * np.abs(planned(plan) - exact).mean()
    graph = Graph.read(path)
    types = stored_types(graph)
    assert {types[n] for n in typed_layers.small_layers(request_.bench.folded)} == {"int8"}
    for op in graph.weighted():
        if types.get(graph.name(int(op.inputs[1])).removesuffix(".weight")) == "int8":
            _check_layer(graph, op, plan)


def _check_layer(graph: Graph, op: Any, plan: StaticPlan) -> None:
    name = graph.name(int(op.inputs[1])).removesuffix(".weight")
    layer = plan.mixed.folded.get_submodule(name)
    for tensor, grid in ((op.inputs[0], plan.inputs[name]), (op.outputs[0], plan.outputs[name])):
        assert graph.dtype(int(tensor)) == "int8"
        stored = graph.main.tensors[int(tensor)].quantization
        assert float(stored.scale[0]) == np.float32(grid.step)
        assert int(stored.zeroPoint[0]) == grid.zero - 128
    if layer.bias is not None:
        unit = np.asarray(graph.main.tensors[int(op.inputs[2])].quantization.scale, np.float64)
        stored = graph.constant(int(op.inputs[2]))
        assert stored is not None
        values, bias = stored * unit, layer.get_parameter("bias").detach().numpy()
        assert np.allclose(values, bias, rtol=1e-5, atol=1e-7)


def test_weights_lie_on_their_grids(plan: StaticPlan) -> None:
    for layer in typed_layers.small_layers(plan.mixed.folded).values():
        codes = layer.weight / weight_steps(layer.weight)[:, None]
        assert (codes - codes.round()).abs().max() < 1e-3


def test_layers_that_read_one_tensor_share_its_grid(plan: StaticPlan) -> None:
    name = "tower.blocks.0.attention"
    read = [plan.inputs[f"{name}.{part}"] for part in ("query", "key", "value")]
    assert read[0] is read[1] is read[2]


def test_a_layer_that_it_would_spoil_stays_float16() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 8)
    errors = prepare_static(folded, photos, Smoothing({}, {})).mixed.errors
    worst = max(errors, key=lambda name: errors[name])
    limit = sorted(errors.values())[-2]
    plan = prepare_static(folded, photos, Smoothing({}, {}), spoilt=limit)
    assert plan.mixed.types[worst] == "float16"
    assert worst not in plan.inputs
    weight = plan.mixed.folded.get_parameter(f"{worst}.weight")
    assert torch.equal(weight, weight.half().float())
    assert list(plan.mixed.types.values()).count("int8") >= len(errors) - 2
    with pytest.raises(ExportError, match="would spoil every layer"):
        prepare_static(folded, photos, Smoothing({}, {}), spoilt=0.0)
    with pytest.raises(ExportError, match="needs calibration photos"):
        prepare_static(folded, [], Smoothing({}, {}))


def test_evening_out_saves_what_outlier_channels_spoil() -> None:
    folded, photos = rewrite(tiny_scorer("clip", outliers="inner")), tiny_photos("clip", 8)
    plain = prepare_static(folded, photos, Smoothing({}, {}), spoilt=9.0).mixed.errors
    even = prepare_static(
        folded, photos, Workbench(folded, photos).smoothing("static"), spoilt=9.0
    ).mixed.errors
    worst = max(plain, key=lambda name: plain[name])
    assert even[worst] < 0.5 * plain[worst]
