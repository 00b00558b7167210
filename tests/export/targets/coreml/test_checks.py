"""Checks of a package: an overflow that no score shows is found, named and refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support_export import tiny_bundle
from support_tflite import made_photos, tiny_facts, tiny_request
from torch import nn

from ralikit.errors import ParityError
from ralikit.export.gate.checks import Check, watch
from ralikit.export.gate.gate import open_gate
from ralikit.export.pipeline import export
from ralikit.export.targets import file_checks
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.checks import activations
from ralikit.export.targets.target import Request
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle, read_safetensors, write_bundle
from ralikit.runtimes import open_runtime
from ralikit.runtimes.coreml import CoreMlRuntime
from ralikit.runtimes.mil.ranges import Ranges

GROWTH = 2e5


def grown(request: Request, factor: float) -> Request:
    """The same scores, with values `factor` times larger behind the tower's mean over positions."""
    tower = request.folded.tower
    assert isinstance(tower.projection, nn.Linear)
    with torch.no_grad():
        tower.projection.weight.mul_(factor)
        tower.projection.bias.mul_(factor)
        request.folded.head.project.weight.div_(factor)
    return request


def reach(request: Request) -> float:
    """The largest value of the tower's embeddings on a few photos."""
    with torch.no_grad():
        pixels = torch.cat([torch.from_numpy(v) for v in made_photos(3)]).permute(0, 3, 1, 2)
        embeddings = request.folded.tower(pixels * request.folded.gain + request.folded.offset)
    return float(embeddings.abs().max())


def checked(request: Request, path: Path) -> list[Check]:
    coreml.convert(request, path)
    coreml.write_facts(path, tiny_facts() | {"target": "coreml"})
    runtime = open_runtime(path)
    watch(runtime)
    for views in made_photos(3):
        runtime.run(views)
    return file_checks(path, runtime)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_plain_package_passes_and_says_how_far_float16_reaches(tmp_path: Path) -> None:
    engine, activations, rules = checked(tiny_request("fp16"), tmp_path / "x.mlpackage")
    assert engine.passed
    assert rules.passed is None
    assert "input image: float32" in rules.detail
    assert "nothing in them is known to keep off it" in engine.detail
    assert activations.passed
    assert "of 65504, in " in activations.detail
    assert "more than half" not in activations.detail


def test_an_overflow_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpackage"
    request = tiny_request("fp16")
    coreml.convert(grown(request, 1e5 / reach(request)), path)
    coreml.write_facts(path, tiny_facts() | {"target": "coreml"})
    runtime = open_runtime(path)
    watch(runtime)
    with pytest.raises(Exception, match="instead of a score"):
        runtime.run(made_photos(1)[0])
    check = file_checks(path, runtime)[1]
    assert check.passed is False
    assert "float16 ends at 65504" in check.detail
    assert "layer tower.projection" in check.detail
    with pytest.raises(ParityError, match="x as coreml: activations: "):
        check.refuse(what="x as coreml")


def test_more_than_half_the_range_is_a_warning(tmp_path: Path) -> None:
    request = tiny_request("fp16")
    check = checked(grown(request, 4e4 / reach(request)), tmp_path / "x.mlpackage")[1]
    assert check.passed
    assert "more than half, other photos may overflow" in check.detail


def test_a_layer_norm_of_large_tokens_is_said() -> None:
    ranges = Ranges()
    ranges("tokens", "fp16", torch.tensor([-300.0, 2.0]))
    runtime = SimpleNamespace(observer=SimpleNamespace(ranges=ranges))
    block = SimpleNamespace(
        operations=[
            SimpleNamespace(
                op_type="layer_norm",
                name="norm",
                inputs={},
                outputs=[],
                x=SimpleNamespace(name="tokens"),
            )
        ]
    )
    check = activations(block, {"tokens": "tower.norm1"}, runtime)
    assert check.passed
    assert "a layer norm reads 300, in tokens (layer tower.norm1)" in check.detail


def test_float32_has_nothing_to_overflow(tmp_path: Path) -> None:
    check = checked(tiny_request("fp32"), tmp_path / "x.mlpackage")[1]
    assert (check.passed, check.detail) == (True, "none is float16")


def test_on_a_mac_the_range_is_not_claimed(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpackage"
    coreml.convert(tiny_request("fp16"), path)
    coreml.write_facts(path, tiny_facts() | {"target": "coreml"})
    runtime = CoreMlRuntime(path)  # not watched, as where Core ML itself runs
    assert file_checks(path, runtime)[1].passed is None


def overflowing_bundle(root: Path) -> Bundle:
    """Its scores are those of the tiny bundle; in float16 its embedding is infinite."""
    bundle = tiny_bundle(root / "plain")
    tower = {k: v.copy() for k, v in read_safetensors(bundle.root / "tower.safetensors").items()}
    for key in tower:
        if key.startswith("projection"):
            tower[key] = tower[key].astype(np.float32) * np.float32(GROWTH)
    head = bundle.head()
    head = type(head)(
        **head.__dict__ | {"pca_mean": head.pca_mean * GROWTH, "pca_scale": head.pca_scale * GROWTH}
    )
    return write_bundle(root / "grown", bundle.info, tower=tower, head=head)


def test_the_export_refuses_an_overflow_and_fp32_passes(tmp_path: Path) -> None:
    gate = open_gate(overflowing_bundle(tmp_path), count=6, calibration_count=4)
    with pytest.raises(ParityError, match=r"tiny as coreml, fp16: activations: .*float16 ends at"):
        export(gate.bundle, target="coreml", precision="fp16", out=tmp_path, gate=gate)
    assert not list(tmp_path.glob("tiny-fp16*"))
    done = export(gate.bundle, target="coreml", precision="fp32", out=tmp_path, gate=gate)
    names = ["neural engine", "activations", "neural engine rules"]
    assert [check["name"] for check in done.facts["checks"]] == names
    verified = [check.name for check in verify(done.path).checks]
    assert verified[-3:] == names
