"""The .onnx in float: standard operators, nothing of this computer inside, types as promised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from ralikit.errors import ExportError
from ralikit.export.gate.gate import Gate
from ralikit.export.gate.reference import runtime_scores
from ralikit.export.quantise.int8 import prepare_int8
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target
from ralikit.export.targets.onnx.quant import halve_weights, weight_types
from ralikit.export.targets.target import Request
from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of
from ralikit.model.folded import Folded
from ralikit.runtimes.onnx import OnnxRuntime
from ralikit.runtimes.onnxruntime_import import ort

SHAPE = (2, 64, 64, 3)


@pytest.fixture(scope="module")
def model(gate: Gate) -> onnx.ModelProto:
    return target.to_model(gate.folded, SHAPE)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def test_standard_operators_of_opset_20_alone(model: onnx.ModelProto) -> None:
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 20)]
    assert {n.domain for n in model.graph.node} == {""}
    assert not model.functions


def test_input_and_output_are_what_the_runtimes_expect(model: onnx.ModelProto) -> None:
    (image,), (score,) = model.graph.input, model.graph.output
    assert (image.name, score.name) == ("image", "score")
    kind = image.type.tensor_type
    assert kind.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in kind.shape.dim] == [2, 64, 64, 3]
    assert [d.dim_value for d in score.type.tensor_type.shape.dim] == [1]


def test_nothing_of_this_computer_is_inside(model: onnx.ModelProto) -> None:
    data = model.SerializeToString()
    for trace in (b".py", b"stack_trace", b"ralikit.export", str(Path.home()).encode()):
        assert trace not in data


def test_the_same_bytes_twice(gate: Gate, model: onnx.ModelProto) -> None:
    again = target.to_model(gate.folded, SHAPE)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )


def test_fp16_stores_the_tower_in_half_the_bytes_and_the_head_in_full(
    model: onnx.ModelProto, bundle: Bundle, gate: Gate, tmp_path: Path
) -> None:
    path = tmp_path / "half.onnx"
    target.convert(_request(bundle, gate, "fp16"), path)
    stored = target.layers(path)
    heads = {name: kind for name, kind in stored.items() if name.startswith("head.")}
    assert set(heads.values()) == {"float32"}
    assert {kind for name, kind in stored.items() if name not in heads} == {"float16"}
    tower = sum(4 * p.numel() for p in gate.folded.tower.parameters())
    saved = len(model.SerializeToString()) - path.stat().st_size
    assert saved > 0.47 * tower  # half, less what the facts take


def test_fp16_computes_in_float32_on_the_rounded_weights(
    bundle: Bundle, gate: Gate, tmp_path: Path
) -> None:
    import copy

    rounded: Folded = copy.deepcopy(gate.folded)
    for module in rounded.tower.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.weight.data = module.weight.data.half().float()
    path = tmp_path / "half.onnx"
    target.convert(_request(bundle, gate, "fp16"), path)
    target.write_facts(path, facts_of(bundle))
    views = gate.photos.views[:3]
    with torch.no_grad():
        wanted = [rounded(torch.from_numpy(v.copy())).item() for v in views]
    np.testing.assert_allclose(runtime_scores(OnnxRuntime(path), views), wanted, atol=1e-4)


def test_a_weight_that_half_precision_cannot_hold_is_named(model: onnx.ModelProto) -> None:
    big = _copy(model)
    for weight in big.graph.initializer:
        if weight.name == "tower.stem.weight":
            array = onnx.numpy_helper.to_array(weight) * 1e6
            weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    with pytest.raises(ExportError, match=r"tower\.stem\.weight: a value is beyond 65504"):
        halve_weights(big)


def test_facts_are_replaced_not_added(bundle: Bundle, gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    target.convert(_request(bundle, gate, "fp32"), path)
    for note in ("first", "second"):
        target.write_facts(path, {**facts_of(bundle), "note": note})
    assert [p.key for p in onnx.load_model(path).metadata_props] == [
        "ralikit",
        "ralikit.digest",
    ]
    assert OnnxRuntime(path).facts.written["note"] == "second"


def test_an_unknown_precision_is_refused(bundle: Bundle, gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="it has fp32, fp16, int8-weights, int8"):
        target.convert(_request(bundle, gate, "bf16"), tmp_path / "m.onnx")


def _request(bundle: Bundle, gate: Gate, precision: str) -> Request:
    return Request(bundle=bundle, bench=Workbench(gate.folded), precision=precision)


def test_a_vision_transformer_exports_in_float_and_int8_says_no(tmp_path: Path) -> None:
    from support import make_head

    from ralikit.model.towers.clip import Clip

    torch.manual_seed(0)
    tower = Clip(size=32, patch=16, width=32, depth=2, heads=2, hidden=64, dim=6).eval()
    graph = Folded(
        tower, make_head(), mean=(0.5,) * 3, std=(0.5,) * 3, view_pool="embedding"
    ).eval()
    views = np.random.default_rng(0).integers(0, 256, size=(2, 32, 32, 3), dtype=np.uint8)
    for half in (False, True):
        model = target.to_model(graph, (2, 32, 32, 3))
        model = halve_weights(model) if half else model
        session = ort.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        with torch.no_grad():
            wanted = graph(torch.from_numpy(views)).numpy()
        got = session.run(["score"], {"image": views})[0]
        np.testing.assert_allclose(got, wanted, atol=1e-2 if half else 1e-4)
        stored = weight_types(model)
        names = {
            name
            for name, module in graph.named_modules()
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)
        }
        assert names <= set(stored)
        assert stored["tower.blocks.0.mlp.up"] == ("float16" if half else "float32")
    with pytest.raises(ExportError, match=r"a clip tower has .* export it as fp16"):
        prepare_int8(graph, [views])
