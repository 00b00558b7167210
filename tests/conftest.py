"""Fixtures shared by all tests; everything they need is made on the spot."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ralikit  # noqa: F401  (first of all: it switches other libraries' telemetry off)

if TYPE_CHECKING:
    from ralikit.export.gate.gate import Gate
    from ralikit.model.bundle import Bundle

# Tiny models gain nothing from threads that spin for each other, and tests share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development photos beside the checkout; tests that need them skip where they are not."""
    root = Path(__file__).parents[2] / "shared" / "data"
    override = os.environ.get("RALIKIT_DATA")
    root = Path(override) if override else root
    if not root.is_dir():
        pytest.skip(f"the development photos are not here: no folder {root}")
    return root


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle small enough to export in seconds."""
    import torch
    from support_export import tiny_bundle

    torch.set_num_threads(1)
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def gate(bundle: Bundle) -> Gate:
    """The tiny bundle's gate of a few photos."""
    from ralikit.export.gate.gate import open_gate

    return open_gate(bundle, count=12, calibration_count=12)


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Qwen2.5-VL of 144 thousand parameters."""
    pytest.importorskip("trl", reason="the extra 'teacher' is not installed")
    import torch

    from ralikit.train.teacher.tiny_vlm import make_tiny_vlm

    torch.set_num_threads(1)
    return make_tiny_vlm(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def warm_vlm(tiny_vlm: Path, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a little SFT on answers: some are well-formed, and they differ."""
    from support_teacher import rows, sft_settings

    from ralikit.train.teacher.sft import train_sft

    out = tmp_path_factory.mktemp("warm") / "run"
    settings = sft_settings(labels="score", learning_rate=1e-2, max_steps=52)
    return train_sft(str(tiny_vlm), rows(labelled, settings), out, settings)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of different sizes with MOS on 1..5: ``images/`` and ``labels.csv``."""
    import numpy as np
    from PIL import Image
    from support_teacher import SCORES

    root = tmp_path_factory.mktemp("labelled")
    (root / "images").mkdir()
    rng = np.random.default_rng(0)
    with (root / "labels.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["image", "mos"])
        for i, score in enumerate(SCORES):
            pixels = rng.integers(0, 256, (70 + 9 * i, 100 - 7 * i, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / f"p{i}.png")
            table.writerow([f"p{i}.png", score])
    return root
