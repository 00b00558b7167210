"""CLIP's tower in Core ML: types layer by layer, embeddings beside scores, int8 activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support import make_head
from support_tflite import made_photos, tiny_bundle, tiny_facts, tiny_request
from torch import Tensor, nn

from ralikit.errors import ExportError
from ralikit.export.gate.parity import embedding_shift
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreml import COREML, compress
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.activations import input_scale, rounded
from ralikit.export.targets.coreml.precisions import SCHEMES
from ralikit.export.targets.coreml.schemes import Stored, plan
from ralikit.export.targets.target import Request
from ralikit.model.folded import Folded, with_outputs
from ralikit.model.rewrite import rewrite
from ralikit.model.towers.clip import Clip
from ralikit.runtimes.coreml import CoreMlRuntime
from ralikit.runtimes.mil import Program, open_package

Packages = Callable[[str], Path]
MIX = {
    "tower.blocks.0.mlp.up": "int4",
    "tower.blocks.0.mlp.down": "pal4",
    "tower.blocks.1.attention.value": "pal6",
    "tower.blocks.1.mlp.up": "int8",
}


def scorer() -> Folded:
    torch.manual_seed(3)
    tower = Clip(size=32, patch=8, width=64, depth=2, heads=2, hidden=128, dim=6)
    for parameter in tower.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.15)
    info = tiny_bundle().info
    folded = Folded(
        tower,
        make_head(dim=6),
        mean=info.preprocess.mean,
        std=info.preprocess.std,
        view_pool="embedding",
    )
    return rewrite(folded.eval().requires_grad_(False))


def request(precision: str) -> Request:
    graph = scorer()
    made = tiny_request(precision)
    made = replace(made, bench=Workbench(graph, made.bench.calibration))
    made = replace(made, outputs=("score", "embedding"))
    types = coreml.promises(graph, "fp16") | MIX
    return replace(made, types=types) if precision == "auto" else made


def shift(path: Path) -> float:
    """Error of a package's embeddings over their spread between photos."""
    runtime, photos = CoreMlRuntime(path), made_photos(6)
    folded = with_outputs(scorer(), ("score", "embedding"))
    with torch.inference_mode():
        expected = np.concatenate([folded(torch.from_numpy(v))[1].numpy() for v in photos])
    return embedding_shift(
        np.concatenate([runtime.outputs(v)["embedding"] for v in photos]), expected
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("mixed")

    def make(precision: str) -> Path:
        path = folder / f"{precision}.mlpackage"
        if not path.exists():
            made = request(precision)
            coreml.convert(made, path)
            coreml.write_facts(
                path, tiny_facts() | {"target": "coreml", "outputs": list(made.outputs)}
            )
        return path

    return make


def test_every_layer_has_the_type_chosen_for_it(package: Packages) -> None:
    found = coreml.layers(package("auto"))
    assert {name: found[name] for name in MIX} == MIX
    assert (coreml.promises(scorer(), "fp16") | MIX).items() <= found.items()
    assert shift(package("auto")) < 0.2


def test_the_embedding_is_a_second_output(package: Packages) -> None:
    runtime, (views,) = CoreMlRuntime(package("auto")), made_photos(1)
    found = runtime.outputs(views)
    assert {name: value.shape for name, value in found.items()} == {
        "score": (1,),
        "embedding": (1, 6),
    }
    assert float(found["score"][0]) == runtime.run(views)
    with torch.inference_mode():
        _, expected = with_outputs(scorer(), ("score", "embedding"))(torch.from_numpy(views))
    assert np.abs(found["embedding"] - expected.numpy()).max() < 0.3 * float(expected.std())
    spec = open_package(package("auto")).spec
    assert [f.name for f in spec.description.output] == ["score", "embedding"]


def test_a_type_that_a_layer_cannot_have_is_named() -> None:
    graph = scorer()
    types = coreml.promises(graph, "fp16")
    with pytest.raises(ExportError, match=r"layer tower\.patches cannot be stored as int8"):
        plan(graph, "auto", types | {"tower.patches": "int8"})
    with pytest.raises(ExportError, match="cannot be stored as int3 in Core ML, only as float16, "):
        plan(graph, "auto", types | {"tower.blocks.0.mlp.up": "int3"})
    with pytest.raises(ExportError, match="none were given"):
        coreml.convert(replace(request("fp16"), precision="auto"), Path("never"))


def test_blocks_that_do_not_divide_are_refused() -> None:
    """coremltools leaves such a layer in float with a warning."""
    graph = scorer()
    graph.tower.blocks[0].mlp.up = nn.Linear(61, 8)  # type: ignore[index, union-attr]
    scheme = {"tower.blocks.0.mlp.up": SCHEMES["int4"]}
    with pytest.raises(ExportError, match=r"blocks of inputs do not divide its 61 \(best: 1\)"):
        compress.compress(graph, scheme, [])


def test_codes_stored_wider_than_promised_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stored, "size", property(lambda self: self.codes.size // 2))
    with pytest.raises(ExportError, match=r"takes \d+ bytes in the package, not \d+"):
        coreml.convert(request("int8"), tmp_path / "x.mlpackage")


def test_int8_activations_surround_every_small_layer(package: Packages) -> None:
    steps = Program.load(open_package(package("w8a8"))).steps
    kinds = [step.kind for step in steps]
    small = [name for name, kind in coreml.layers(package("w8a8")).items() if kind == "int8"]
    restored = {s.outputs[0][0] for s in steps if s.kind == "dequantize"}
    reading = [s for s in steps if s.kind == "linear" and s.tensors["x"] in restored]
    assert len(reading) == len(small) == 12
    # Query, key and value share one pair; the last block's query reads the class token alone.
    assert kinds.count("quantize") == kinds.count("dequantize") == 4 + 5
    assert shift(package("w8a8")) < 0.2
    assert str(COREML.precision("w8a8").meaning).startswith("experimental")


def test_int8_activations_need_photos() -> None:
    with pytest.raises(ExportError, match="int8 activations need calibration photos"):
        compress.compress(scorer(), plan(scorer(), "w8a8"), [])


def test_a_step_gives_up_the_outlier_for_the_rest() -> None:
    x = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    x[7] = 40.0
    step = input_scale(x)
    assert step < 40.0 / 127

    def loss(step: float) -> Tensor:
        return (rounded(x, step) - x).square().sum()

    assert float(loss(step)) <= float(loss(40.0 / 127))
    assert input_scale(torch.ones(64)) == pytest.approx(1 / 127, rel=1e-3)
