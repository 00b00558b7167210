"""The whole chain to an .aimodel: proved, verified, scored; what is planted is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support_coreai import needs_coreai
from torch import Tensor

from ralikit.errors import BundleError, ParityError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.pipeline import Exported, export
from ralikit.export.targets.coreai.graph import Plain
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.models import bundled
from ralikit.runtimes import open_runtime
from ralikit.runtimes.aimodel import kernels
from ralikit.scorer import load

pytestmark = needs_coreai


@pytest.fixture(scope="module")
def exported(bundle: Bundle, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    out = tmp_path_factory.mktemp("coreai-chain")
    return export(bundle, target="coreai", precision="fp32", out=out, gate=gate)


def test_it_is_proved_in_apples_runtime_and_verifies(exported: Exported, gate: Gate) -> None:
    (check,) = [c for c in exported.facts["checks"] if c["name"] == "Apple's runtime"]
    assert check["passed"] is True
    assert gate.golden[0].name in check["detail"]
    assert "coreai-core" in exported.facts["tools"]
    verified = verify(exported.path)
    assert verified.passed
    assert "Apple's runtime" in [c.name for c in verified.checks]


def test_scoring_is_apples_runtime(exported: Exported, gate: Gate) -> None:
    runtime = open_runtime(exported.path)
    assert runtime.name.startswith("Core AI (coreai-core ")
    found = [runtime.run(views) for views in gate.photos.views]
    np.testing.assert_allclose(found, gate.reference, atol=1e-4)
    score = load(exported.path).score(gate.golden[0].pixels)
    assert score.value == pytest.approx(gate.golden_reference[0], abs=1e-4)
    assert runtime.facts.digested


@pytest.mark.parametrize("name", ["metadata.json", "main.mlirb", "main.hash"])
def test_a_flipped_byte_is_noticed(exported: Exported, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "x.aimodel"
    shutil.copytree(exported.path, copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(BundleError):
        open_runtime(copy)
    with pytest.raises(BundleError):
        verify(copy)


def test_swapped_channels_are_refused(
    bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(self: Plain, image: Tensor) -> Tensor:
        return self.folded(image[..., [2, 1, 0]])  # type: ignore[no-any-return]

    monkeypatch.setattr(Plain, "forward", swapped)
    with pytest.raises((ParityError, BundleError)):
        export(bundle, target="coreai", precision="fp32", out=tmp_path, gate=gate)
    assert not (tmp_path / "tiny-fp32.aimodel").exists()


def test_a_stand_in_that_computes_otherwise_is_refused(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kernels.KERNELS, "softmax", lambda op, x: x[0].softmax(-1) * 1.01)
    found = {check.name: check for check in verify(exported.path).checks}
    assert found["Apple's runtime"].passed is False


@pytest.mark.slow
def test_the_whole_of_mini_in_int8_is_within_two_hundredths_of_float(tmp_path: Path) -> None:
    """The sibling on the tiny scorer is `test_both_runtimes_score_like_the_graph`."""
    bundle = bundled("mini")
    gate = open_gate(bundle, count=24)
    made = export(bundle, target="coreai", precision="int8-weights", out=tmp_path, gate=gate)
    assert made.parity.photos == 24
    assert made.parity.p95_drift <= 0.02
