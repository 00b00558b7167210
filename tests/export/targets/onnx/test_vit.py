"""Transformers in ONNX: every precision opens in plain ONNX Runtime and holds what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from support_vit import tiny_standin

from ralikit.errors import ExportError, ParityError, UsageError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.pipeline import check_layers, export
from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.targets.onnx import target
from ralikit.export.targets.onnx.layer_types import check_sizes, store
from ralikit.model.bundle import Bundle
from ralikit.runtimes.onnxruntime_import import ort


@pytest.fixture(scope="module", params=["clip", "siglip"])
def standin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        return tiny_standin(tmp_path_factory.mktemp("standin") / "b", request.param, patch)


@pytest.fixture(scope="module")
def gate(standin: Bundle) -> Gate:
    return open_gate(standin, count=24, calibration_count=24)


@pytest.mark.parametrize(
    ("precision", "smaller"),
    [
        ("fp32", 1.05),
        ("fp16", 0.56),
        ("int8-weights", 0.5),
        ("int8", 0.5),
        ("int8-static", 0.5),
        ("int4", 0.42),
    ],
)
def test_every_precision_converts_and_scores_elsewhere(
    precision: str, smaller: float, standin: Bundle, gate: Gate, tmp_path: Path
) -> None:
    done = export(standin, target="onnx", precision=precision, out=tmp_path, gate=gate)
    whole = sum(4 * p.numel() for p in gate.folded.parameters())
    assert done.size < smaller * whole + 60_000  # the facts are a tiny model's largest part
    session = ort.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    views = gate.photos.views[0]
    score, embedding = session.run(["score", "embedding"], {"image": views})
    assert abs(float(score[0]) - gate.reference[0]) < 0.5
    assert np.shape(embedding) == (1, gate.folded.tower.dim)
    assert done.parity.shift is not None
    assert done.parity.shift > 0


def test_int8_is_integer_arithmetic_on_every_encoder_layer(
    standin: Bundle, gate: Gate, tmp_path: Path
) -> None:
    done = export(standin, target="onnx", precision="int8", out=tmp_path, gate=gate)
    model = onnx.load_model(done.path)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulInteger") == len(typed_layers.small_layers(gate.folded))
    # query, key and value read one rounded tensor
    assert kinds.count("DynamicQuantizeLinear") < kinds.count("MatMulInteger")
    assert done.facts["layers"]["tower.patches"] == "float32"


def test_a_weight_of_another_size_or_type_is_refused(standin: Bundle, gate: Gate) -> None:
    types = typed_layers.uniform_types(gate.folded, "int8")
    plan = layer_types.prepare_mixed(gate.bench, types)
    size = standin.info.preprocess.size
    model = store(target.to_model(plan.folded, (1, size, size, 3)), plan, integers=True)
    sizes = {name: m.weight.numel() for name, m in typed_layers.weighted(gate.folded).items()}
    check_sizes(model, sizes)
    with pytest.raises(ExportError, match=r"holds \d+ values in the converted file, not 7"):
        check_sizes(model, sizes | {"tower.blocks.0.mlp.up": 7})
    with pytest.raises(ExportError, match="holds no values"):
        check_sizes(model, {"tower.blocks.9.mlp.up": 7})
    promised = types | {"tower.blocks.0.mlp.up": "float16"}
    found = dict.fromkeys(types, "float32") | types
    with pytest.raises(ExportError, match="is stored as int8 where float16 was promised"):
        check_layers(promised, found, what="x")


def test_a_broken_weight_is_refused(
    standin: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = target.to_model

    def wrong(graph: torch.nn.Module, *args: object, **more: object) -> onnx.ModelProto:
        weight = graph.get_submodule("tower.blocks.0.mlp.down").weight
        assert isinstance(weight, torch.Tensor)
        weight.data.neg_()
        return right(graph, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(target, "to_model", wrong)
    with pytest.raises(ParityError, match="embeddings are off by"):
        export(standin, target="onnx", precision="int8", out=tmp_path, gate=gate)
    assert not list(tmp_path.iterdir())


def test_int4_is_refused_for_convolutional_towers(bundle: Bundle, tmp_path: Path) -> None:
    words = "no precision 'int4' for a mobilenet_v2 tower; it has fp32, fp16, int8-weights, int8"
    with pytest.raises(UsageError, match=words):
        export(bundle, target="onnx", precision="int4", out=tmp_path)
