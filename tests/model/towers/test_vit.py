"""The lean towers equal the published modules, and their shortcuts change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from torch import nn

from ralikit.errors import BundleError
from ralikit.importers.hf_tower import load_hf_tower, read_preprocess
from ralikit.model.towers import build_tower
from ralikit.model.towers.block import Block
from ralikit.model.towers.clip import Clip

CLIP = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 28},
    "crop_size": {"height": 28, "width": 28},
    "resample": 3,
    "do_center_crop": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
SIGLIP = {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": 28, "width": 28},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_SMALL = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "patch_size": 7,
}


def _save(model: nn.Module, folder: Path, preprocessor: dict[str, object]) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():  # published initialisations are too tame to tell apart
        nn.init.normal_(parameter, std=0.15)
    model.eval().save_pretrained(folder)  # type: ignore[operator]
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_clip_equals_transformers(tmp_path: Path, activation: str) -> None:
    config = transformers.CLIPVisionConfig(
        **_SMALL, image_size=28, projection_dim=10, hidden_act=activation
    )
    theirs = _save(transformers.CLIPVisionModelWithProjection(config), tmp_path, CLIP)
    ours, preprocess = load_hf_tower(tmp_path)
    pixels = torch.randn(3, 3, 28, 28)
    with torch.no_grad():
        expected = theirs(pixel_values=pixels).image_embeds
        torch.testing.assert_close(ours(pixels), expected, atol=1e-5, rtol=1e-5)
    assert (ours.dim, preprocess.size, preprocess.shortest_edge) == (10, 28, 28)


def test_a_whole_clip_model_gives_its_image_tower(tmp_path: Path) -> None:
    config = transformers.CLIPConfig(
        vision_config={**_SMALL, "image_size": 28},
        text_config={**_SMALL, "vocab_size": 50, "max_position_embeddings": 9},
        projection_dim=10,
    )
    theirs = _save(transformers.CLIPModel(config), tmp_path, CLIP)
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        expected = theirs.get_image_features(pixel_values=pixels).pooler_output  # type: ignore[operator]
        ours, _ = load_hf_tower(tmp_path)
        torch.testing.assert_close(ours(pixels), expected, atol=1e-5, rtol=1e-5)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    again, _ = load_hf_tower(tmp_path)
    with torch.no_grad():
        assert torch.equal(again(pixels), ours(pixels))


@pytest.mark.parametrize("flexible", [False, True])
def test_siglip_equals_transformers(tmp_path: Path, flexible: bool) -> None:
    pixels = torch.randn(2, 3, 28, 28)
    if flexible:
        config = transformers.Siglip2VisionConfig(**_SMALL, num_patches=16)
        theirs = _save(transformers.Siglip2VisionModel(config), tmp_path, SIGLIP)
        rows = pixels.reshape(2, 3, 4, 7, 4, 7).permute(0, 2, 4, 3, 5, 1).reshape(2, 16, 147)
        inputs = {
            "pixel_values": rows,
            "pixel_attention_mask": torch.ones(2, 16, dtype=torch.long),
            "spatial_shapes": torch.tensor([[4, 4], [4, 4]]),
        }
    else:
        fixed = transformers.SiglipVisionConfig(**_SMALL, image_size=28)
        theirs = _save(transformers.SiglipVisionModel(fixed), tmp_path, SIGLIP)
        inputs = {"pixel_values": pixels}
    ours, preprocess = load_hf_tower(tmp_path)
    with torch.no_grad():
        expected = theirs(**inputs).pooler_output
        torch.testing.assert_close(ours(pixels), expected, atol=1e-5, rtol=1e-5)
    assert (preprocess.shortest_edge, preprocess.resample) == (None, "bilinear")


def test_the_last_block_needs_its_first_token_alone() -> None:
    torch.manual_seed(1)
    block = Block(16, 4, 32, "quick_gelu", 1e-5)
    x = torch.randn(2 * 9, 16)
    torch.testing.assert_close(block.first(x, 2), block(x, 2)[::9])


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    torch.manual_seed(4)
    tower = Clip(size=14, patch=7, width=16, depth=2, heads=2, hidden=24, dim=5)
    pixels = torch.randn(3, 3, 14, 14)
    alone = torch.cat([tower(picture[None]) for picture in pixels])
    torch.testing.assert_close(tower(pixels), alone)


def test_recomputing_changes_no_gradient() -> None:
    torch.manual_seed(2)
    tower = Clip(size=14, patch=7, width=16, depth=3, heads=2, hidden=24, dim=5)
    pixels = torch.randn(2, 3, 14, 14)
    gradients = []
    for recompute in (False, True):
        tower.recompute = recompute
        tower.zero_grad()
        tower(pixels).square().sum().backward()
        gradients.append([p.grad.clone() for p in tower.parameters() if p.grad is not None])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_the_config_makes_the_same_tower() -> None:
    tower = Clip(size=14, patch=7, width=16, depth=2, heads=2, hidden=24, dim=5)
    again = build_tower("clip", tower.config())
    again.load_state_dict(tower.state_dict())
    with pytest.raises(BundleError, match="does not fit a clip tower: size 6, patch 7"):
        build_tower("clip", {**tower.config(), "size": 6})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_size": {"height": 28, "width": 20}}, "only square inputs"),
        ({"do_center_crop": False}, "keeps the photo's shape"),
        ({"do_normalize": False}, "leaves out a step"),
        ({"resample": 0}, "resizes with filter 0"),
        ({"rescale_factor": 1.0}, "1/255 is expected"),
        ({"image_mean": None}, "three channel values"),
    ],
)
def test_preprocessing_that_cannot_be_carried_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**CLIP, **change}))
    with pytest.raises(BundleError, match=message):
        read_preprocess(path)


def test_folders_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot read .*config\.json"):
        load_hf_tower(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(BundleError, match="describes a bert model; expected clip"):
        load_hf_tower(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip_vision_model"}')
    with pytest.raises(BundleError, match="has no weights"):
        load_hf_tower(tmp_path)
