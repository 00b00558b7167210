"""The mix is the cheapest inside the budgets, and what the converted file does decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support_vit import tiny_photos, tiny_scorer

from ralikit.errors import ExportError, ParityError, UsageError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.options import ExportOptions
from ralikit.export.quantise import typed_layers
from ralikit.export.quantise.kinds import Candidate
from ralikit.export.search.frontier import Budgets, Option, choose, frontier, table
from ralikit.export.search.search import export_auto
from ralikit.export.search.sensitivity import sensitivities
from ralikit.export.targets.coreml.compress import compress
from ralikit.export.targets.coreml.precisions import BY_TYPE
from ralikit.model.bundle import Bundle
from ralikit.model.rewrite import rewrite
from ralikit.report.auto import page


def _option(kind: str, size: int, shift: float, time: float = 1.0) -> Option:
    return Option(kind=kind, size=size, time=time, shifts=np.array([shift, -shift]))


LAYERS = {
    "delicate": [_option("float16", 200, 0.0), _option("int8", 100, 0.4)],
    "robust": [_option("float16", 200, 0.0), _option("int8", 100, 0.01), _option("int4", 50, 0.03)],
}


def test_bytes_go_where_they_save_most() -> None:
    points = frontier(LAYERS)
    assert [p.size for p in points] == sorted(p.size for p in points)
    assert [p.drift for p in points] == sorted((p.drift for p in points), reverse=True)
    assert points[0].types == {"delicate": "int8", "robust": "int4"}
    assert choose(points, drift=0.05).types == {"delicate": "float16", "robust": "int4"}
    assert choose(points, drift=0.02).types == {"delicate": "float16", "robust": "int8"}
    assert choose(points, drift=0.0).drift < 1e-6
    assert points[0].drift == pytest.approx(np.hypot(0.4, 0.03))


def test_speed_is_another_order() -> None:
    layers = {
        "a": [
            _option("float16", 200, 0.0, 1.0),
            _option("int8", 100, 0.02, 0.4),
            _option("int4", 50, 0.03, 0.9),
        ]
    }
    assert frontier(layers, prefer="size")[0].types == {"a": "int4"}
    assert frontier(layers, prefer="speed")[0].types == {"a": "int8"}
    assert frontier(layers, prefer="speed")[0].time == pytest.approx(0.4)


def test_the_table_names_every_layer() -> None:
    points = frontier(LAYERS)
    rows = table(LAYERS, points[0])
    assert [(r["layer"], r["type"], r["bytes"]) for r in rows] == [
        ("delicate", "int8", 100),
        ("robust", "int4", 50),
    ]
    assert rows[1]["shift"] == {"float16": 0.0, "int8": 0.01, "int4": 0.03}


def test_first_order_shifts_are_what_changing_one_layer_does() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 6)
    name = "tower.blocks.1.mlp.up"
    layer = folded.get_submodule(name)
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    torch.manual_seed(1)
    change = (1e-3 * torch.randn_like(weight)).half()
    found = sensitivities(folded, photos, {name: {"x": Candidate(change)}})[name]["x"]

    def scores() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        with torch.inference_mode():
            return np.array([float(folded(torch.from_numpy(v))) for v in photos])

    def outputs() -> torch.Tensor:
        seen: list[torch.Tensor] = []
        handle = layer.register_forward_hook(lambda m, i, o: seen.append(o.mean(0)))
        scores()
        handle.remove()
        return torch.stack(seen).mean(0)

    before, mean = scores(), outputs()
    weight.add_(change.float())
    layer.bias.sub_(outputs() - mean)  # type: ignore[operator]
    measured = scores() - before
    assert np.abs(measured).max() > 1e-5
    np.testing.assert_allclose(found, measured, atol=0.1 * np.abs(measured).max())


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("--max-drift must be above 0", {"max_drift": 0.0}),
        ("--min-srcc must lie", {"min_srcc": 1.5}),
        ("--budget-mb must be above 0", {"budget_mb": -1.0}),
        ("--prefer is size or speed", {"prefer": "beauty"}),
    ],
)
def test_budgets_that_mean_nothing_are_refused(words: str, arguments: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=words):
        Budgets(**arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def small_gate(bundle: Bundle) -> Gate:
    return open_gate(bundle, count=16, calibration_count=12)


def test_a_convolutional_tower_gets_the_smallest_mix(
    bundle: Bundle, small_gate: Gate, tmp_path: Path
) -> None:
    budgets = Budgets(max_drift=0.2, min_srcc=0.9)
    found = export_auto(bundle, target="onnx", out=tmp_path, budgets=budgets, gate=small_gate)
    assert found.exported.parity.max_drift <= 0.2
    assert set(found.chosen.types.values()) <= {"float16", "int8"}
    layers = found.exported.facts["layers"]
    assert all(layers[name] == kind for name, kind in found.chosen.types.items())
    assert set(found.chosen.types) == set(typed_layers.small_layers(small_gate.folded))
    cheaper = [t for t in found.trials if t.at < found.points.index(found.chosen)]
    assert all(t.parity.max_drift > 0.2 or t.parity.srcc < 0.9 for t in cheaper)  # type: ignore[operator]
    strict = export_auto(
        bundle,
        target="onnx",
        out=tmp_path / "strict",
        budgets=Budgets(max_drift=0.004, min_srcc=0.9),
        gate=small_gate,
    )
    assert strict.exported.size > found.exported.size


def test_the_fastest_file_of_a_convolutional_tower_computes_in_integers(
    bundle: Bundle, small_gate: Gate, tmp_path: Path
) -> None:
    budgets = Budgets(max_drift=2.0, min_srcc=0.1, prefer="speed")
    found = export_auto(bundle, target="onnx", out=tmp_path, budgets=budgets, gate=small_gate)
    assert found.exported.facts["precision"] == "int8"
    assert found.exported.facts["auto"]["predicted_drift"] is None
    strict = Budgets(max_drift=0.004, min_srcc=0.9, prefer="speed")
    floats = export_auto(
        bundle, target="onnx", out=tmp_path / "strict", budgets=strict, gate=small_gate
    )
    assert floats.exported.facts["precision"] == "auto"
    assert len(page(floats)) > 5000


def test_impossible_budgets_name_the_nearest(
    bundle: Bundle, small_gate: Gate, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"the nearest possible drifts 0\.\d+.* MB"):
        export_auto(
            bundle,
            target="onnx",
            out=tmp_path,
            budgets=Budgets(max_drift=1e-7),
            gate=small_gate,
        )
    with pytest.raises(ExportError, match=r"0\.001 MB; the nearest possible has \d"):
        export_auto(
            bundle,
            target="onnx",
            out=tmp_path,
            budgets=Budgets(max_drift=0.5, min_srcc=0.5, budget_mb=0.001),
            gate=small_gate,
        )
    assert not list(tmp_path.iterdir())


def test_a_file_for_a_phones_gpu_is_held_to_its_rules(
    bundle: Bundle, small_gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide, gpu = Budgets(max_drift=2.0, min_srcc=0.1), ExportOptions(gpu=True)
    with pytest.raises(UsageError, match="--gpu is for tflite: onnx"):
        export_auto(bundle, target="onnx", out=tmp_path, budgets=wide, gate=small_gate, options=gpu)

    def made(out: Path) -> dict[str, Any]:
        found = export_auto(
            bundle, target="tflite", out=out, budgets=wide, gate=small_gate, options=gpu
        )
        return found.exported.facts

    assert made(tmp_path / "fits")["gpu"] is True
    monkeypatch.setattr("ralikit.export.targets.tflite.lint.GPU_OPERATORS", frozenset({"CONV_2D"}))
    with pytest.raises(ParityError, match="GPU delegate: it has no"):
        made(tmp_path / "never")
    assert not (tmp_path / "never").exists() or not list((tmp_path / "never").iterdir())


@pytest.mark.parametrize("kind", ["int8", "pal6", "pal4", "int4"])
def test_a_core_ml_layers_bytes_are_known_before_it_is_stored(kind: str) -> None:
    layer = torch.nn.Linear(96, 80)
    graph = torch.nn.Module()
    graph.tower = layer
    scheme = BY_TYPE[kind]
    assert scheme.fits(80, 96)
    stored = compress(graph, {"tower": scheme}, [])[1]["tower"]  # type: ignore[arg-type]
    assert scheme.size(80, 96) == stored.size
