"""EfficientNet-Lite in every target, in float32 and float16, held to the gate's own limits.

Random weights amplify rounding to 8 bits beyond those limits; int8 is for trained ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support import lively
from support_photo import textured

from ralikit.errors import MissingExtraError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.pipeline import export
from ralikit.export.targets import TARGETS
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.head import Head
from ralikit.model.towers.efficientnet_lite import EfficientNetLite
from ralikit.photo.views import Preprocess
from ralikit.scorer import load

CASES = [
    pytest.param(target.name, precision, marks=marks)
    for target in TARGETS
    for precision, marks in (("fp32", ()), ("fp16", pytest.mark.slow))
]


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A random Lite0 at 64 pixels, two views, whose scores differ between photos."""
    tower = lively(EfficientNetLite(variant=0, dim=6))
    rng = np.random.default_rng(3)
    with torch.no_grad():
        noise = torch.rand(16, 3, 64, 64) * torch.linspace(0.05, 2, 16).view(-1, 1, 1, 1) - 1
        seen = tower(noise).numpy()
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    head = Head(
        pca_mean=seen.mean(axis=0),
        pca_components=basis[:4],
        pca_scale=np.full(6, seen.std()),
        centroids=rng.normal(size=(5, 4)),
        scores=np.linspace(1, 5, 5),
        temperature=0.5,
        normalize=False,
    )
    info = BundleInfo(
        name="lite",
        tower=TowerSpec(kind="efficientnet_lite", config=tower.config(), weights="random"),
        preprocess=Preprocess(
            size=64,
            shortest_edge=80,
            anchors=((0.0, 0.0), (1.0, 1.0)),
            mean=(127 / 255,) * 3,
            std=(128 / 255,) * 3,
        ),
        temperature=0.5,
    )
    state = {name: value.numpy() for name, value in tower.state_dict().items()}
    root = tmp_path_factory.mktemp("lite") / "bundle"
    return write_bundle(root, info, tower=state, head=head)


@pytest.fixture(scope="module")
def lite_gate(lite: Bundle) -> Gate:
    return open_gate(lite, count=12, calibration_count=12)


@pytest.mark.parametrize(("target", "precision"), CASES)
def test_it_exports_within_the_gates_limits(
    lite: Bundle, lite_gate: Gate, tmp_path: Path, target: str, precision: str
) -> None:
    try:
        done = export(lite, target=target, precision=precision, out=tmp_path, gate=lite_gate)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert np.std(lite_gate.reference) > 0.2
    assert done.facts["parity"]["max_drift"] <= done.facts["limits"]["max_drift"]
    if target == "onnx":
        photo = textured()
        assert load(done.path).score(photo).value == pytest.approx(
            load(lite.root).score(photo).value, abs=done.facts["limits"]["max_drift"]
        )
