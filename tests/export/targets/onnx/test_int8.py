"""int8 on ONNX: whole numbers from the pixels to the embedding, and what was planned is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from support_tflite import (
    SIZE,
    VIEWS,
    made_photos,
    tiny_facts,
    tiny_request,
    tiny_scorer,
    torch_scores,
)
from torch import Tensor, fx, nn

from ralikit.errors import ExportError
from ralikit.export.gate.reference import runtime_scores
from ralikit.export.quantise import int8
from ralikit.export.quantise.activation_grid import ActivationGrid, best_grid, grid_between
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.gptq import compensated, spread
from ralikit.export.quantise.int8 import (
    Int8Plan,
    prepare_int8,
    prepare_weights,
    round_activation,
    round_weight,
    weight_steps,
)
from ralikit.export.quantise.structure import is_add, is_mean, trace
from ralikit.export.quantise.weight_grids import LinearGrid
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target
from ralikit.export.targets.onnx.quant import kernel_types, quantise
from ralikit.runtimes import Views
from ralikit.runtimes.onnx import OnnxRuntime
from ralikit.runtimes.onnxruntime_import import ort

SHAPE = (VIEWS, SIZE, SIZE, 3)
CALIBRATION = made_photos(12, seed=1)
PHOTOS = made_photos(8)


@pytest.fixture(scope="module")
def plan() -> Int8Plan:
    return prepare_int8(tiny_scorer(), CALIBRATION)


def _file(plan: Int8Plan, path: Path) -> Path:
    path.write_bytes(quantise(target.to_model(plan.folded, SHAPE), plan).SerializeToString())
    target.write_facts(path, tiny_facts())
    return path


@pytest.fixture(scope="module")
def file(plan: Int8Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _file(plan, tmp_path_factory.mktemp("int8") / "tiny.onnx")


def simulated(plan: Int8Plan, views: Views) -> float:
    """The plan in torch: rounded weights, every stored tensor rounded to its grid."""
    traced = trace(plan.folded.tower)
    names = int8._names(traced)

    class Rounded(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Tensor:
            result: Tensor = super().run_node(n)
            if n in names and int8._is_stored(n):
                result = round_activation(result, plan.grids[names[n]])
            return result

    with torch.no_grad():
        embedding = Rounded(traced).run(pixels_of(plan.folded, views))
        return float(plan.folded.head(embedding.mean(dim=0, keepdim=True)))


def test_the_file_computes_what_was_planned(file: Path, plan: Int8Plan) -> None:
    wanted = [simulated(plan, v) for v in PHOTOS]
    assert np.std(wanted) > 0.1
    # Ties may round either way, and biases are whole numbers too.
    np.testing.assert_allclose(runtime_scores(OnnxRuntime(file), PHOTOS), wanted, atol=0.02)


def test_the_file_stays_near_the_float_scorer(file: Path) -> None:
    reference = np.array(torch_scores(tiny_scorer(), PHOTOS))
    drift = np.abs(runtime_scores(OnnxRuntime(file), PHOTOS) - reference)
    assert drift.mean() < 0.1 * reference.std()


def test_no_sum_and_no_mean_is_halfway_between_two_steps(plan: Int8Plan) -> None:
    # Kernels round such values differently; layers behind them amplify it.
    traced = trace(plan.folded.tower)
    names = int8._names(traced)
    nearest = {}
    for node in traced.graph.nodes:
        if not (is_add(node) or is_mean(node)):
            continue
        sources = [plan.grids[names[n]] for n in node.all_input_nodes]
        step = plan.grids[names[node]].step
        if is_add(node):
            q = np.arange(-255, 256) / step
            exact = np.add.outer(q * sources[0].step, q * sources[1].step)
        else:
            count = (SIZE // 8) ** 2
            exact = np.arange(255 * count + 1) / count * (sources[0].step / step)
        nearest[names[node]] = float(np.abs(exact - np.floor(exact) - 0.5).min())
    assert len(nearest) == 2
    assert min(nearest.values()) > 4e-4


def test_every_layer_but_the_head_runs_on_integer_kernels(file: Path, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    kernels = kernel_types(onnx.load_model(tmp_path / "run.onnx").graph.node)
    assert kernels["QLinearConv"] == 8
    assert kernels["QLinearAdd"] == 1
    assert kernels["MatMulIntegerToFloat"] == 1
    assert "Conv" not in kernels
    assert kernels["Gemm"] == 2  # PCA and basis


def test_the_types_are_those_promised(file: Path) -> None:
    stored = target.layers(file)
    assert {k for k, v in stored.items() if v != "int8"} == {"head.project", "head.basis"}


def test_pixels_go_in_as_bytes(file: Path) -> None:
    model = onnx.load_model(file)
    assert [n.op_type for n in model.graph.node[:2]] == ["Transpose", "DequantizeLinear"]
    assert not {"Cast", "Clip"} & {n.op_type for n in model.graph.node[:-12]}


def test_the_same_photos_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        target.convert(tiny_request("int8"), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_weight_only_files_hold_int8_and_compute_in_float(tmp_path: Path) -> None:
    path = tmp_path / "w.onnx"
    target.convert(tiny_request("int8-weights"), path)
    target.write_facts(path, tiny_facts())
    stored = target.layers(path)
    assert {k for k, v in stored.items() if v != "int8"} == {"head.project", "head.basis"}
    rounded = prepare_weights(tiny_scorer(), CALIBRATION)
    scores = runtime_scores(OnnxRuntime(path), PHOTOS)
    np.testing.assert_allclose(scores, torch_scores(rounded, PHOTOS), atol=1e-4)
    np.testing.assert_allclose(scores, torch_scores(tiny_scorer(), PHOTOS), atol=0.05)


def test_int8_without_photos_is_refused() -> None:
    with pytest.raises(ExportError, match="int8 needs calibration photos"):
        prepare_int8(tiny_scorer(), [])


def test_targets_share_one_plan() -> None:
    made: list[int] = []

    def photos() -> list[Views]:
        made.append(1)
        return CALIBRATION

    bench = Workbench(tiny_scorer(), photos)
    assert not made  # a precision that needs no photos has none made
    assert bench.int8_plan is bench.int8_plan
    assert bench.calibration is CALIBRATION
    assert len(made) == 1


def test_planned_weights_are_whole_multiples_of_their_steps(plan: Int8Plan) -> None:
    for module in plan.folded.tower.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            steps = weight_steps(module.weight).view(-1, *[1] * (module.weight.dim() - 1))
            whole = module.weight / steps
            assert float((whole - whole.round()).abs().max()) < 1e-3
            assert float(whole.abs().max()) < 127.01


def test_a_dead_channel_stays_finite(tmp_path: Path) -> None:
    scorer = tiny_scorer()
    for name, parameter in scorer.tower.named_parameters():
        if name.startswith(("blocks.0.expand", "blocks.1.project")):
            parameter.data[3] = 0.0
    # A constant channel, by way of an int32 bias.
    scorer.get_parameter("tower.blocks.0.expand.bias").data[3] = 2.0
    plan = prepare_int8(scorer, CALIBRATION)
    scores = runtime_scores(OnnxRuntime(_file(plan, tmp_path / "dead.onnx")), PHOTOS)
    np.testing.assert_allclose(scores, [simulated(plan, v) for v in PHOTOS], atol=0.02)


# The rounding itself.


def test_a_grid_holds_zero_exactly_and_its_ends() -> None:
    grid = grid_between(-1.0, 3.0)
    assert grid.low == pytest.approx(-1.0, abs=grid.step)
    assert grid.high == pytest.approx(3.0, abs=grid.step)
    assert float(round_activation(torch.zeros(1), grid)) == 0.0
    assert grid_between(2.0, 5.0).low == 0.0
    assert grid_between(0.0, 0.0).step > 0


def test_the_best_grid_gives_up_rare_ends_for_finer_steps() -> None:
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    values[0] = 12.0

    def error(grid: ActivationGrid) -> float:
        rounded = round_activation(torch.from_numpy(values), grid).numpy()
        return float(np.square(rounded - values).mean())

    best, whole = best_grid(values), grid_between(float(values.min()), float(values.max()))
    assert best.high < 12
    assert error(best) < 0.9 * error(whole)


def test_rounding_never_moves_a_weight_by_more_than_half_a_step() -> None:
    weight = torch.randn(8, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    steps = weight_steps(weight).view(-1, 1, 1, 1)
    assert float(((round_weight(weight) - weight).abs() / steps).max()) <= 0.5 + 1e-4


def test_compensated_rounding_loses_less_of_what_the_layer_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(40, 40, generator=generator)
    x = torch.randn(2000, 40, generator=generator) @ mix  # correlated, as activations are
    x -= x.mean(0)
    weight = torch.randn(16, 40, generator=generator)
    steps = 8 * weight_steps(weight)  # coarse, so that rounding matters
    near = torch.round(weight / steps[:, None]) * steps[:, None]
    grid = LinearGrid(steps=steps[:, None], columns=40, limit=127)
    codes = compensated(weight, grid, spread((x.T @ x / len(x)).double()))
    fed = codes.float() * steps[:, None]
    whole = fed / steps[:, None]
    assert float((whole - whole.round()).abs().max()) < 1e-4
    loss_near, loss_fed = (float((x @ (w - weight).T).square().mean()) for w in (near, fed))
    assert loss_fed < 0.6 * loss_near


def test_mean_embeddings_survive(plan: Int8Plan) -> None:
    # Noise is left on single photos; what is common to all goes into biases and gains.
    scorer, exact, rounded = tiny_scorer(), [], []
    with torch.no_grad():
        for views in CALIBRATION:
            exact.append(scorer.tower(pixels_of(scorer, views)).mean(0))
            rounded.append(plan.folded.tower(pixels_of(plan.folded, views)).mean(0))
    shift = torch.stack(exact).mean(0) - torch.stack(rounded).mean(0)
    assert float(shift.abs().max()) < 0.05 * float(torch.stack(exact).std(0).mean())
