"""A tiny Qwen2.5-VL, random and warmed up, and a few labelled pictures, made on the spot."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_teacher import SCORES, rows, sft_settings


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random Qwen2.5-VL of 144 thousand parameters."""
    pytest.importorskip("trl", reason="the extra 'teacher' is not installed")
    import torch

    from ralikit.train.tiny_vlm import make_tiny_vlm

    torch.set_num_threads(1)
    return make_tiny_vlm(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def warm_vlm(tiny_vlm: Path, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after a little SFT on answers: some are well-formed, and they differ."""
    from ralikit.train.sft import train_sft

    out = tmp_path_factory.mktemp("warm") / "run"
    settings = sft_settings(labels="score", learning_rate=1e-2, max_steps=52)
    return train_sft(str(tiny_vlm), rows(labelled, settings), out, settings)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of different sizes with MOS on 1..5: ``images/`` and ``labels.csv``."""
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
