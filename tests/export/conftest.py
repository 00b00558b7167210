"""The tiny bundle and its gate of a few photos, made once."""

from __future__ import annotations

import pytest
import torch
from support_export import tiny_bundle

from ralikit.bundle import Bundle
from ralikit.export.gate import Gate


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def gate(bundle: Bundle) -> Gate:
    return Gate(bundle, count=12, calibration_count=12)
