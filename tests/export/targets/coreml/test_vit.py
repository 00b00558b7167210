"""A small vision transformer goes through the Core ML target and its evaluator as CLIP's would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support import make_head
from support_mil import block_of
from support_tflite import made_photos, tiny_bundle, tiny_request, torch_scores
from support_vit import tiny_photos, tiny_scorer, tiny_standin, vit_request
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.errors import UsageError
from ralikit.export.gate.gate import open_gate
from ralikit.export.options import LAYOUTS, ExportOptions
from ralikit.export.pipeline import export
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.layout import neural_engine
from ralikit.export.targets.coreml.lint import lint, lint_block
from ralikit.export.targets.target import Request
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded
from ralikit.model.rewrite import rewrite
from ralikit.model.towers.base import Tower
from ralikit.runtimes import Views
from ralikit.runtimes.mil import Program, Ranges, open_package

Packages = Callable[[str], Path]
WIDTH, HEADS, PATCH, DIM = 48, 3, 8, 6


class Block(nn.Module):
    """Pre-norm attention and an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc_1, self.fc_2 = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        for last in (self.out, self.fc_2):  # torch's own leaves hardly anything of the picture
            nn.init.normal_(last.weight, std=0.15)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.qkv(self.norm_1(x)).view(batch, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        y = self.fc_1(self.norm_2(x))
        result: Tensor = x + self.fc_2(y * torch.sigmoid(1.702 * y))
        return result


class TinyViT(Tower):
    """Patches, a class token, four blocks, the pooled token's projection."""

    kind: ClassVar[str] = "tiny_vit"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dim = DIM
        self.patches = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.position = nn.Parameter(torch.randn(1, 17, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(4)))
        self.norm = nn.LayerNorm(WIDTH)
        self.projection = nn.Linear(WIDTH, DIM, bias=False)
        nn.init.normal_(self.patches.weight, std=0.2)
        nn.init.zeros_(self.token)  # else it drowns the picture

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patches(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        embedding: Tensor = self.projection(self.norm(self.blocks(x)[:, 0]))
        return embedding


def request(precision: str) -> Request:
    info = tiny_bundle().info
    folded = Folded(
        TinyViT(),
        make_head(dim=DIM),
        mean=info.preprocess.mean,
        std=info.preprocess.std,
        view_pool="embedding",
    )
    made = tiny_request(precision)
    bench = Workbench(folded.eval().requires_grad_(False), made.bench.calibration)
    return replace(made, bench=bench)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("vit")

    def make(precision: str) -> Path:
        path = folder / f"{precision}.mlpackage"
        if not path.exists():
            coreml.convert(request(precision), path)
        return path

    return make


@pytest.mark.parametrize(
    ("precision", "drift"), [("fp32", 1e-4), ("fp16", 0.02), ("int8", 0.05), ("int4", 0.5)]
)
def test_it_scores_like_torch(package: Packages, precision: str, drift: float) -> None:
    photos = made_photos(4)
    expected = torch_scores(request(precision).folded, photos)
    assert np.ptp(expected) > 0.2
    program = Program.load(open_package(package(precision)))
    got = [
        float(program.run({"image": v.astype(np.float32)}, round_fp16=True)["score"][0])
        for v in photos
    ]
    assert np.abs(np.subtract(got, expected)).max() <= drift


def test_linears_are_compressed_and_the_rest_is_not(package: Packages) -> None:
    found = coreml.layers(package("int8"))
    assert {found[f"tower.blocks.{i}.{n}"] for i in range(4) for n in ("qkv", "out", "fc_1")} == {
        "int8"
    }
    assert found["tower.patches"] == found["tower.projection"] == "float16"
    assert found["tower.position"] == "float16"
    assert found["head.basis"] == "float32"


def test_attention_is_one_operation_where_ios_18_is_wanted(package: Packages) -> None:
    kinds = [step.kind for step in Program.load(open_package(package("int4"))).steps]
    assert kinds.count("scaled_dot_product_attention") == 4
    older = [step.kind for step in Program.load(open_package(package("fp16"))).steps]
    assert "scaled_dot_product_attention" not in older
    assert older.count("softmax") == 5


def test_no_activation_leaves_float16(package: Packages) -> None:
    ranges = Ranges()
    program = Program.load(open_package(package("fp16")))
    for views in made_photos(3):
        program.run({"image": views.astype(np.float32)}, observe=ranges)
    assert ranges.overflowing() == []
    assert len(ranges.low) > 50


def test_lint_sees_the_axis_too_many(package: Packages) -> None:
    """q, k and v split by a fifth axis: what the neural-engine layout avoids."""
    result = lint(package("fp16"))
    assert any("rank 5" in finding for finding in result.findings)
    assert 0 < result.float32 < result.operations


def test_what_core_ml_runs_nowhere_is_fatal() -> None:
    x = np.zeros((1, 1, 2, 2, 2, 1), dtype=np.float32)
    found = lint_block(block_of("relu", {"x": x}, {}, 16))
    assert found.fatal == ("relu_0: rank 6, Core ML has 5 axes at most",)


def test_a_convolutional_tower_has_no_findings(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpackage"
    coreml.convert(tiny_request("fp16"), path)
    assert lint(path).findings == ()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("prepare", [rewrite, lambda folded: folded])
def test_the_neural_engines_layout_computes_the_same(
    kind: str, prepare: Callable[[Folded], Folded]
) -> None:
    graph = prepare(tiny_scorer(kind))
    other = neural_engine(graph)
    photos = [torch.from_numpy(views) for views in tiny_photos(kind, 3)]
    pixels = torch.cat([graph.pixels(views) for views in photos])  # several views at once
    expected = graph.tower(pixels)
    assert float((expected[0] - expected[1]).abs().max()) > 0.1
    assert torch.allclose(other.tower(pixels), expected, atol=2e-5)
    assert {n for n, _ in other.named_parameters()} == {n for n, _ in graph.named_parameters()}


# Each precision with one tower; the other pairs differ from these in nothing new.
_FIRST = [
    ("clip", "int8"),
    ("clip", "w8a8"),
    ("siglip", "fp16"),
    ("siglip", "pal6"),
    ("siglip", "int4"),
]
IN_THE_LAYOUT = [
    pytest.param(kind, precision, marks=() if (kind, precision) in _FIRST else pytest.mark.slow)
    for kind in ("clip", "siglip")
    for precision in ("fp16", "int8", "pal6", "int4", "w8a8")
]


@pytest.mark.parametrize(("kind", "precision"), IN_THE_LAYOUT)
def test_a_package_in_the_neural_engines_layout(kind: str, precision: str, tmp_path: Path) -> None:
    plain = replace(vit_request(kind, precision), outputs=("score", "embedding"))
    packages = {layout: tmp_path / f"{layout}.mlpackage" for layout in LAYOUTS}
    for layout, path in packages.items():
        coreml.convert(replace(plain, layout=layout), path)
    standard, neural = packages.values()
    assert coreml.layers(neural) == coreml.layers(standard)
    assert lint(neural).findings == ()
    first, second = (Program.load(open_package(path)) for path in packages.values())
    kinds = Counter(step.kind for step in second.steps)
    assert kinds["linear"] == 2  # the read-out
    assert kinds["layer_norm"] == Counter(step.kind for step in first.steps)["layer_norm"]
    assert kinds["reshape"] <= 2
    photos = tiny_photos(kind, 4)
    truth = plain.folded.tower(plain.folded.pixels(torch.from_numpy(np.concatenate(photos))))
    spread = float((truth - truth.mean(0)).norm() / len(photos) ** 0.5)
    shifts = [_shift(program, photos, truth.numpy()) / spread for program in (first, second)]
    assert shifts[1] <= 1.2 * shifts[0] + 0.02


def _shift(program: Program, photos: Sequence[Views], truth: NDArray[np.float32]) -> float:
    given = [
        program.run({"image": views.astype(np.float32)}, round_fp16=True)["embedding"]
        for views in photos
    ]
    return float(np.linalg.norm(np.concatenate(given) - truth) / len(photos) ** 0.5)


def test_only_a_transformer_in_core_ml_has_another_layout(bundle: Bundle, tmp_path: Path) -> None:
    asked = ExportOptions(layout="neural-engine")
    with pytest.raises(UsageError, match="is for coreml: onnx lays a transformer out itself"):
        export(bundle, target="onnx", precision="fp32", out=tmp_path, options=asked)
    with pytest.raises(UsageError, match="a mobilenet_v2 tower lies that way already"):
        export(bundle, target="coreml", precision="fp16", out=tmp_path, options=asked)
    with pytest.raises(UsageError, match="standard or neural-engine, not 'ane'"):
        ExportOptions(layout="ane")
    assert list(tmp_path.iterdir()) == []


def test_the_layout_is_in_the_files_name_and_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = tiny_standin(tmp_path / "bundle", "clip", monkeypatch)
    gate = open_gate(standin, count=4, calibration_count=8)
    done = export(
        standin,
        target="coreml",
        precision="int8",
        out=tmp_path,
        options=ExportOptions(layout="neural-engine"),
        gate=gate,
    )
    assert done.path.name == f"{standin.info.name}-int8-neural-engine.mlpackage"
    assert done.facts["layout"] == "neural-engine"
    assert verify(done.path).passed
