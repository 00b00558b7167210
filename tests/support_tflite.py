"""A tower small enough to convert in a second or two, with every operator of the real one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import torch
from support import make_head
from torch import Tensor, nn
from torch.nn import functional as F

from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.target import Request
from ralikit.export.targets.tflite import target as tflite
from ralikit.model.bundle import HEAD, TOWER, Bundle, BundleInfo, TowerSpec
from ralikit.model.facts import facts_of
from ralikit.model.folded import Folded
from ralikit.model.towers.base import Tower
from ralikit.model.towers.inverted_residual import InvertedResidual, SameConv
from ralikit.photo.views import Preprocess
from ralikit.runtimes import Views

SIZE, VIEWS, DIM = 32, 2, 6


class TinyTower(Tower):
    """Stem, one block without and one with a residual, head, mean, projection."""

    kind: ClassVar[str] = "tiny"

    def __init__(self, *, seed: int = 7) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.dim = DIM
        self.stem = SameConv(3, 8, 3, stride=2)
        self.blocks = nn.ModuleList(
            [
                InvertedResidual(8, 12, expansion=3, stride=2),
                InvertedResidual(12, 12, expansion=3, stride=1),
            ]
        )
        self.head = nn.Conv2d(12, 40, 1)
        self.projection = nn.Linear(40, DIM)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.normal_(module.bias, std=0.1)  # type: ignore[arg-type]

    def config(self) -> dict[str, Any]:
        return {}

    def forward(self, pixels: Tensor) -> Tensor:
        x = F.relu6(self.stem(pixels))
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.projection(F.relu6(self.head(x)).mean(dim=(2, 3)))
        return embedding


def tiny_bundle() -> Bundle:
    """A bundle's description with nothing on disk: a target reads the graph, not the weights."""
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind="tiny", weights="random"),
        preprocess=Preprocess(
            size=SIZE, shortest_edge=SIZE, anchors=((0.0, 0.5), (1.0, 0.5))[:VIEWS]
        ),
        temperature=0.1,
    )
    return Bundle(root=Path("tiny"), info=info, files={TOWER: "0" * 64, HEAD: "1" * 64})


def tiny_scorer(*, seed: int = 7) -> Folded:
    """The tiny tower with a random head, folded; its scores differ between photos."""
    info = tiny_bundle().info
    scorer = Folded(
        TinyTower(seed=seed),
        make_head(dim=DIM, seed=seed),
        mean=info.preprocess.mean,
        std=info.preprocess.std,
        view_pool=info.view_pool,
    )
    return scorer.eval().requires_grad_(False)


def tiny_request(precision: str, *, photos: int = 12) -> Request:
    """A conversion of the tiny scorer."""
    return Request(
        bundle=tiny_bundle(),
        bench=Workbench(tiny_scorer(), made_photos(photos, seed=1)),
        precision=precision,
    )


@cache
def tiny_file(precision: str) -> bytes:
    """The tiny scorer converted, without facts; once for all tests of a run."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.tflite"
        tflite.convert(tiny_request(precision), path)
        return path.read_bytes()


def tiny_facts() -> dict[str, Any]:
    """The facts of the tiny bundle."""
    return facts_of(tiny_bundle())


def made_photos(count: int, *, seed: int = 2) -> list[Views]:
    """Views of made-up photos: smooth gradients under noise of many strengths."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(-1, 1, SIZE)
    photos = []
    for _ in range(count):
        tilt = rng.normal(size=(VIEWS, 3, 2)) * 60
        plane = tilt[:, None, None, :, 0] * ramp[:, None, None]
        plane = plane + tilt[:, None, None, :, 1] * ramp[None, :, None]
        noise = rng.normal(size=(VIEWS, SIZE, SIZE, 3)) * rng.uniform(0, 50)
        photos.append(np.clip(128 + plane + noise, 0, 255).astype(np.uint8))
    return photos


def torch_scores(scorer: Folded, photos: list[Views]) -> list[float]:
    """The reference: the folded scorer in torch."""
    with torch.inference_mode():
        return [float(scorer(torch.from_numpy(views))) for views in photos]


def litert_scores(path: Path, photos: list[Views]) -> list[float]:
    """The file run by LiteRT itself, with none of ralikit's code."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    score = interpreter.get_signature_runner()
    return [float(score(image=views)["score"].reshape(-1)[0]) for views in photos]
