"""Views that are no whole number of patches (SigLIP2 SO400M: 14 at 384), in every target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_vit import CONFIGS, tiny_standin

from ralikit.errors import MissingExtraError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.pipeline import export
from ralikit.export.targets import TARGETS
from ralikit.model.bundle import Bundle


@pytest.fixture(scope="module", params=["clip", "siglip"])
def uneven(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, Gate]:
    """Four whole patches an edge and six pixels that belong to none, as 384 leaves six of 14."""
    kind: str = request.param
    config: dict[str, Any] = CONFIGS[kind] | {"size": 4 * CONFIGS[kind]["patch"] + 6}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, kind, config)
        bundle = tiny_standin(tmp_path_factory.mktemp(kind) / "bundle", kind, patch)
    assert bundle.info.preprocess.size == config["size"]
    return bundle, open_gate(bundle, count=8, calibration_count=8)


@pytest.mark.parametrize("target", [t.name for t in TARGETS])
def test_it_exports_within_the_gates_limits(
    uneven: tuple[Bundle, Gate], tmp_path: Path, target: str
) -> None:
    bundle, gate = uneven
    try:
        done = export(bundle, target=target, precision="fp32", out=tmp_path, gate=gate)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert np.std(gate.reference) > 0
    assert done.facts["parity"]["max_drift"] <= done.facts["limits"]["max_drift"]
