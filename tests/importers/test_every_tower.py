"""Every CLIP, SigLIP and SigLIP2 that transformers' save_pretrained writes loads and is equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image
from torch import Tensor, nn

from ralikit.errors import BundleError
from ralikit.importers.hf_tower import load_hf_tower
from ralikit.model.bundle import BundleInfo, TowerSpec, read_bundle, write_bundle
from ralikit.model.head import Head

_WIDTHS = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_TEXT = {**_WIDTHS, "vocab_size": 50, "max_position_embeddings": 9}
# As patch 14 at 384 pixels: two pixels at the right and the bottom belong to no patch.
_SIZE, _PATCH = 30, 7
_VISION = {**_WIDTHS, "patch_size": _PATCH, "image_size": _SIZE}
_FLEXIBLE = {**_WIDTHS, "patch_size": _PATCH, "num_patches": 16}

Features = Callable[[Any, Tensor], Tensor]


def _clip(**more: Any) -> Any:
    return tf.CLIPConfig(vision_config=_VISION, text_config=_TEXT, projection_dim=10, **more)


def _siglip() -> Any:
    return tf.SiglipConfig(vision_config=_VISION, text_config=_TEXT)


def _siglip2() -> Any:
    return tf.Siglip2Config(vision_config=_FLEXIBLE, text_config=_TEXT)


def _patches(pixels: Tensor) -> dict[str, Tensor]:
    """Pixels as NaFlex takes them: rows of (row, column, RGB)."""
    count, grid = len(pixels), pixels.shape[-1] // _PATCH
    cut = pixels.reshape(count, 3, grid, _PATCH, grid, _PATCH).permute(0, 2, 4, 3, 5, 1)
    return {
        "pixel_values": cut.reshape(count, grid**2, -1),
        "pixel_attention_mask": torch.ones(count, grid**2, dtype=torch.long),
        "spatial_shapes": torch.tensor([[grid, grid]] * count),
    }


_KINDS: dict[str, tuple[Callable[[], Any], Features]] = {
    "CLIPModel": (
        lambda: tf.CLIPModel(_clip()),
        lambda m, x: m.get_image_features(pixel_values=x).pooler_output,
    ),
    "CLIPVisionModelWithProjection": (
        lambda: tf.CLIPVisionModelWithProjection(tf.CLIPVisionConfig(**_VISION, projection_dim=6)),
        lambda m, x: m(pixel_values=x).image_embeds,
    ),
    "CLIPVisionModel": (
        lambda: tf.CLIPVisionModel(tf.CLIPVisionConfig(**_VISION)),
        lambda m, x: m(pixel_values=x).pooler_output,
    ),
    "CLIPForImageClassification": (
        lambda: tf.CLIPForImageClassification(_clip()),
        lambda m, x: m.vision_model(pixel_values=x).pooler_output,
    ),
    "SiglipModel": (
        lambda: tf.SiglipModel(_siglip()),
        lambda m, x: m.get_image_features(pixel_values=x).pooler_output,
    ),
    "SiglipVisionModel": (
        lambda: tf.SiglipVisionModel(tf.SiglipVisionConfig(**_VISION)),
        lambda m, x: m(pixel_values=x).pooler_output,
    ),
    "SiglipForImageClassification": (
        lambda: tf.SiglipForImageClassification(_siglip()),
        lambda m, x: m.vision_model(pixel_values=x).pooler_output,
    ),
    "Siglip2Model": (
        lambda: tf.Siglip2Model(_siglip2()),
        lambda m, x: m.get_image_features(**_patches(x)).pooler_output,
    ),
    "Siglip2VisionModel": (
        lambda: tf.Siglip2VisionModel(tf.Siglip2VisionConfig(**_FLEXIBLE)),
        lambda m, x: m(**_patches(x)).pooler_output,
    ),
    "Siglip2ForImageClassification": (
        lambda: tf.Siglip2ForImageClassification(_siglip2()),
        lambda m, x: m.vision_model(**_patches(x)).pooler_output,
    ),
}


def _processor(kind: str, size: int) -> Any:
    if kind.startswith("Siglip2"):
        return tf.Siglip2ImageProcessor(patch_size=_PATCH, max_num_patches=(size // _PATCH) ** 2)
    if kind.startswith("Siglip"):
        return tf.SiglipImageProcessor(size={"height": size, "width": size})
    return tf.CLIPImageProcessor(size={"shortest_edge": size}, crop_size=size)


def _save(kind: str, folder: Path, *, size: int, **how: Any) -> Any:
    torch.manual_seed(0)
    model = _KINDS[kind][0]().eval()
    for parameter in model.parameters():  # published initialisations are too tame to tell apart
        nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder, **how)
    _processor(kind, size).save_pretrained(folder)
    return model


def _compare(kind: str, folder: Path, model: Any, size: int) -> None:
    ours, preprocess = load_hf_tower(folder)
    assert preprocess.size == size
    pixels = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = _KINDS[kind][1](model, pixels)
        torch.testing.assert_close(ours(pixels), expected, atol=2e-5, rtol=1e-5)
    assert ours.dim == expected.shape[1]


@pytest.mark.parametrize("kind", _KINDS)
def test_equals_transformers(tmp_path: Path, kind: str) -> None:
    size = 28 if kind.startswith("Siglip2") else _SIZE
    model = _save(kind, tmp_path, size=size)
    _compare(kind, tmp_path, model, size)


@pytest.mark.parametrize("kind", ["CLIPModel", "SiglipVisionModel"])
def test_shards_are_one_model(tmp_path: Path, kind: str) -> None:
    model = _save(kind, tmp_path, size=_SIZE, max_shard_size="20KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    _compare(kind, tmp_path, model, _SIZE)
    next(iter(sorted(tmp_path.glob("model-*.safetensors")))).unlink()
    with pytest.raises(BundleError, match=r"lacks model-00001-of-.*index\.json names"):
        load_hf_tower(tmp_path)


def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    _save("SiglipVisionModel", tmp_path, size=_SIZE)
    (tmp_path / "model.safetensors").rename(tmp_path.parent / "elsewhere.safetensors")
    for name in ("../elsewhere.safetensors", "x" * 3000, "a\0b", "\\ud800"):
        index = json.dumps({"weight_map": {"a": name}}).replace("\\\\u", "\\u")
        (tmp_path / "model.safetensors.index.json").write_text(index)
        with pytest.raises(BundleError, match=r"lacks|half a character"):
            load_hf_tower(tmp_path)


@pytest.mark.parametrize("grid", [3, 6])
def test_naflex_positions_are_interpolated_to_its_processors_square(
    tmp_path: Path, grid: int
) -> None:
    model = _save("Siglip2VisionModel", tmp_path, size=grid * _PATCH)
    _compare("Siglip2VisionModel", tmp_path, model, grid * _PATCH)


def test_a_square_photo_is_what_naflex_makes_of_it(tmp_path: Path) -> None:
    from ralikit.photo.views import load_views

    _save("Siglip2VisionModel", tmp_path, size=28)
    _, preprocess = load_hf_tower(tmp_path)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (56, 56, 3), dtype=np.uint8))
    theirs = _processor("Siglip2", 28)(images=photo, return_tensors="pt")
    view = torch.from_numpy(load_views(photo, preprocess)).permute(0, 3, 1, 2) / 255
    ours = _patches((view - 0.5) / 0.5)["pixel_values"]
    assert theirs["spatial_shapes"].tolist() == [[4, 4]]
    # Both round to 8 bits; torchvision's antialiasing and Pillow's differ by a level at most.
    assert float((theirs["pixel_values"] - ours).abs().max()) <= 1.01 / 127.5


def test_a_whole_processors_settings_serve(tmp_path: Path) -> None:
    model = _save("CLIPModel", tmp_path, size=_SIZE)
    (tmp_path / "preprocessor_config.json").unlink()
    tokens = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    tf.CLIPProcessor(
        image_processor=_processor("CLIP", _SIZE),
        tokenizer=tf.CLIPTokenizer(vocab=tokens, merges=[]),
    ).save_pretrained(tmp_path)
    assert not (tmp_path / "preprocessor_config.json").exists()
    _compare("CLIPModel", tmp_path, model, _SIZE)


def test_half_precision_weights_serve(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        model = _save("SiglipVisionModel", tmp_path, size=_SIZE).to(dtype)
        model.save_pretrained(tmp_path)
        _compare("SiglipVisionModel", tmp_path, model.float(), _SIZE)


@pytest.mark.parametrize("kind", ["CLIPVisionModel", "SiglipVisionModel", "Siglip2VisionModel"])
def test_it_exports_and_scores(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("onnxscript")
    from ralikit.export.targets.onnx.target import to_model
    from ralikit.model.folded import fold

    size = 28 if kind.startswith("Siglip2") else _SIZE
    _save(kind, tmp_path / "hf", size=size)
    tower, preprocess = load_hf_tower(tmp_path / "hf")
    rng = np.random.default_rng(0)
    head = Head(
        pca_mean=np.zeros(tower.dim),
        pca_components=rng.normal(size=(4, tower.dim)),
        pca_scale=np.ones(tower.dim),
        centroids=rng.normal(size=(3, 4)),
        scores=np.array([1.0, 3.0, 5.0]),
        temperature=0.5,
        normalize=False,
    )
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=preprocess,
        temperature=0.5,
    )
    tensors = {name: tensor.numpy() for name, tensor in tower.state_dict().items()}
    write_bundle(tmp_path / "bundle", info, tower=tensors, head=head)
    folded = fold(read_bundle(tmp_path / "bundle"))
    views = rng.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = float(folded(torch.from_numpy(views)))
        plain = head.score(tower(folded.pixels(torch.from_numpy(views))).numpy())
    assert expected == pytest.approx(float(plain[0]), abs=1e-5)
    from ralikit.runtimes.onnxruntime_import import ort

    model = to_model(folded, views.shape, outputs=("score",))
    session = ort.InferenceSession(model.SerializeToString())
    assert float(session.run(["score"], {"image": views})[0][0]) == pytest.approx(
        expected, abs=1e-5
    )


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layer_norm_eps": "x"}, "layer_norm_eps is 'x'; a number is expected"),
        ({"layer_norm_eps": True}, "layer_norm_eps is True"),
        ({"num_hidden_layers": 1_000_000}, "depth at most 1000"),
        ({"num_hidden_layers": 900}, r"lacks blocks\.10\.attention.* and 14,360 more"),
        ({"hidden_size": 10**200}, "width at most 65536"),
        ({"hidden_size": 40}, "does not fit the tower"),
        ({"patch_size": 31}, "size must be at least patch"),
        ({"patch_size": [7, 8]}, r"patch_size is \[7, 8\]; a whole number"),
        ({"num_channels": 4}, "num_channels is 4, not 3"),
        ({"hidden_act": "relu"}, "names the activation 'relu'; unknown"),
        ({"hidden_act": ["gelu"]}, "names the activation"),
        ({"vision_use_head": False}, "leaves out the pooling head"),
        ({"model_type": "siglip_text_model"}, "describes a siglip_text_model model"),
        ({"model_type": "a\u001b[31m"}, r"describes a a\\x1b\[31m model"),
        ({"model_type": ["clip"]}, "model; expected clip"),
        ({"vision_config": []}, "its vision_config is not a JSON object"),
        ({"image_size": 37}, "makes views of 30 pixels, the tower in config.json takes 37"),
    ],
)
def test_what_a_config_cannot_say_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    _save("SiglipVisionModel", tmp_path, size=_SIZE)
    _edit(tmp_path / "config.json", **changes)
    with pytest.raises(BundleError, match=sentence) as caught:
        load_hf_tower(tmp_path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_a_naflex_grid_that_is_no_square_is_refused(tmp_path: Path) -> None:
    _save("Siglip2VisionModel", tmp_path, size=28)
    _edit(tmp_path / "config.json", num_patches=15)
    with pytest.raises(BundleError, match="num_patches is 15; a square number"):
        load_hf_tower(tmp_path)
    _edit(tmp_path / "config.json", num_patches=16)
    _edit(tmp_path / "preprocessor_config.json", max_num_patches=500 * 500)
    with pytest.raises(BundleError, match="500 x 500 patches; at most 128 x 128"):
        load_hf_tower(tmp_path)
