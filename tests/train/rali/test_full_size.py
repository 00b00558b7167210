"""The paper's tower at its real size, random weights: equal to transformers', one step, one fit."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import nn

from ralikit.importers.hf_tower import load_hf_tower
from ralikit.model.towers.clip import Clip
from ralikit.train.rali.align import Alignment
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.augment import Crops
from ralikit.train.rali.fit import fit_head
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.objective import AlignData
from ralikit.train.rali.photo_store import open_store

LIMIT_KB = 20 * 1024 * 1024


@pytest.mark.slow
def test_vit_l_14_336_trains_on_a_cpu_inside_20_gb(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    theirs = transformers.CLIPVisionModelWithProjection(config).eval()
    for parameter in theirs.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.03)
    theirs.save_pretrained(tmp_path / "clip")
    square = {"height": 336, "width": 336}
    plain = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "clip" / "preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 336}, "crop_size": square, **plain})
    )
    pixels = torch.randn(1, 3, 336, 336)
    with torch.no_grad():
        expected = theirs(pixel_values=pixels).image_embeds
        del theirs
        tower, preprocess = load_hf_tower(tmp_path / "clip")
        torch.testing.assert_close(tower(pixels), expected, atol=1e-5, rtol=1e-5)
    assert sum(p.numel() for p in tower.parameters()) == 304_293_888

    rng = np.random.default_rng(0)
    photos = [tmp_path / f"{k}.png" for k in range(4)]
    for photo in photos:
        Image.fromarray(rng.integers(0, 256, (360, 400, 3), dtype=np.uint8)).save(photo)
    texts = rng.normal(size=(4, 2, 768)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=-1, keepdims=True)
    settings = AlignSettings(
        objective="clip",
        epochs=1,
        batch=4,
        micro_batch=1,
        learning_rate=1e-5,
        temperature=0.01,
        warmup_steps=0,
        gradient_checkpointing=True,
        crops=Crops(random=False, mirror=False),
    )
    store = open_store(photos, tmp_path / "cache", preprocess=preprocess)
    scores = np.linspace(1, 5, 4, dtype=np.float32)
    alignment = Alignment(
        tower, AlignData(store, np.arange(4), scores, texts), settings, preprocess
    )
    assert isinstance(tower, Clip)
    weight = tower.patches.weight
    before = weight.detach().clone()
    figures = alignment.train_step(alignment.batches.make(0))
    assert np.isfinite(figures["loss"])
    moved = float((weight.detach() - before).abs().max())
    assert 0 < moved < 2e-5  # AdamW's first step is the learning rate, in float32 weights

    embeddings = rng.normal(size=(7000, 768)).astype(np.float32)
    opinions = rng.uniform(1, 5, 7000).astype(np.float32)
    head = fit_head(embeddings, opinions, FitSettings(steps=200, temperature=0.07))
    assert head.centroids.shape == (250, 512)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < LIMIT_KB
