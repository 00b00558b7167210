"""A bundle in the authors' layout: read back it scores equal, and their own loading takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import BundleError, RalikitError, UsageError
from ralikit.importers.hf_names import published_clip_names
from ralikit.importers.rali import import_rali
from ralikit.importers.rali_layout import export_rali
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, read_bundle, write_bundle
from ralikit.model.head import Head
from ralikit.model.towers import build_tower, load_tower
from ralikit.photo.views import Preprocess
from ralikit.typed import typed

_CONFIG = {"size": 28, "patch": 7, "width": 24, "depth": 2, "heads": 4, "hidden": 40, "dim": 10}
_PREPROCESS = Preprocess(size=28, shortest_edge=32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


def _bundle(
    root: Path,
    *,
    kind: str = "clip",
    config: dict[str, Any] = _CONFIG,
    preprocess: Preprocess = _PREPROCESS,
    normalize: bool = False,
    scaled: bool = True,
    half: bool = False,
) -> Bundle:
    torch.manual_seed(1)
    tower = build_tower(kind, config)
    for parameter in tower.parameters():
        nn.init.normal_(parameter, std=0.2)
    rng = np.random.default_rng(0)
    dim, size = tower.dim, config["size"]
    with torch.no_grad():  # on the tower's own embeddings, so that pictures differ after it
        seen = tower(torch.randn(40, 3, size, size)).double().numpy()
    head = Head(
        pca_mean=seen.mean(axis=0),
        pca_components=rng.normal(size=(6, dim)),
        pca_scale=seen.std(axis=0) * rng.uniform(0.5, 2, size=dim) if scaled else np.ones(dim),
        centroids=rng.normal(size=(7, 6)),
        scores=np.linspace(1.2, 4.8, 7),
        temperature=0.13,
        normalize=normalize,
    )
    info = BundleInfo(
        name="mine",
        tower=TowerSpec(kind=kind, config=tower.config()),
        preprocess=preprocess,
        temperature=0.13,
        normalize=normalize,
    )
    dtype = np.float16 if half else np.float32
    tensors = {k: v.detach().numpy().astype(dtype) for k, v in tower.state_dict().items()}
    return write_bundle(root, info, tower=tensors, head=head)


def _embeddings(bundle: Bundle) -> tuple[torch.Tensor, np.ndarray[Any, Any]]:
    pixels = torch.randn(8, 3, 28, 28, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return pixels, load_tower(bundle)(pixels).double().numpy()


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_read_back_it_scores_equal(tmp_path: Path, scaled: bool, half: bool) -> None:
    bundle = _bundle(tmp_path / "bundle", scaled=scaled, half=half)
    export_rali(bundle, tmp_path / "release")
    again = import_rali(tmp_path / "release", tmp_path / "again", name="mine")
    _, one = _embeddings(bundle)
    _, two = _embeddings(again)
    np.testing.assert_array_equal(one, two)  # the tower is the very same
    expected = bundle.head().score(one)
    assert np.ptp(expected) > 0.3
    # But for the temperature, whose reciprocal is kept in 32 bits.
    np.testing.assert_allclose(again.head().score(two), expected, atol=1e-6, rtol=0)
    assert again.info.preprocess == bundle.info.preprocess
    assert again.info.tower.config == bundle.info.tower.config


def _clip_folder(folder: Path, *, hidden: int = 24) -> transformers.CLIPModel:
    """What a training started from: a whole CLIP, with a tokenizer's files."""
    vision = {
        "hidden_size": hidden,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 7,
        "image_size": 28,
    }
    text = {**vision, "vocab_size": 50, "max_position_embeddings": 9}
    del text["patch_size"], text["image_size"]
    model = transformers.CLIPModel(
        transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=10)
    ).eval()
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text('{"a": 0}', encoding="utf-8")
    return model


class _Theirs(nn.Module):
    """The authors' scorer as far as loading and scoring go: a whole CLIP, strict."""

    def __init__(self, release: Path) -> None:
        super().__init__()
        self.clip = transformers.CLIPModel.from_pretrained(release / "best").eval()
        self.scorer = nn.Module()
        pca, basis = joblib.load(release / "pca.pkl"), np.load(release / "basis.npz")
        scale = np.sqrt(pca.var_) if hasattr(pca, "var_") else np.ones_like(pca.mean_)
        values = {
            "pca_scale": scale,
            "pca_components": pca.components_,
            "prototypes": basis["vectors"],
            "proto_scores": basis["scores"],
            "logit_scale": 1 / 0.07,
        }
        for name, value in values.items():
            self.scorer.register_parameter(name, nn.Parameter(torch.tensor(value).float()))
        self.mean = torch.tensor(pca.mean_).float()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.clip.get_image_features(pixel_values=pixels).pooler_output
        s = dict(self.scorer.named_parameters())
        z = ((x - self.mean) / s["pca_scale"].abs()) @ s["pca_components"].T
        cosines = F.normalize(z, dim=-1) @ F.normalize(s["prototypes"], dim=-1).T
        return torch.softmax(cosines * s["logit_scale"], dim=-1) @ s["proto_scores"]


def test_the_authors_scorer_loads_it_strictly_and_scores_equal(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path / "bundle")
    clip = _clip_folder(tmp_path / "clip")
    export_rali(bundle, tmp_path / "release", clip=tmp_path / "clip")
    theirs = _Theirs(tmp_path / "release")
    own = {k: v.clone() for k, v in theirs.state_dict().items()}
    saved = torch.load(tmp_path / "release" / "ckpt.pt", weights_only=True)["state_dict"]
    theirs.load_state_dict(saved, strict=True)
    for name, tensor in own.items():  # `best` and the other files say the same as the checkpoint
        if name != "scorer.logit_scale":
            torch.testing.assert_close(theirs.state_dict()[name], tensor, msg=name)
    pixels, embeddings = _embeddings(bundle)
    with torch.no_grad():
        scores = theirs(pixels).double().numpy()
    np.testing.assert_allclose(scores, bundle.head().score(embeddings), atol=2e-5, rtol=0)
    for name, tensor in clip.text_model.state_dict().items():  # the text tower as it was
        torch.testing.assert_close(saved[f"clip.text_model.{name}"], tensor)
    assert (tmp_path / "release" / "best" / "vocab.json").is_file()
    processor = transformers.CLIPImageProcessorPil.from_pretrained(tmp_path / "release" / "best")
    assert dict(processor.size) == {"shortest_edge": 32}
    assert list(processor.image_mean) == [0.4, 0.5, 0.6]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalize": True}, "scales embeddings to unit norm"),
        (
            {"preprocess": Preprocess(size=28, shortest_edge=32, anchors=((0, 0), (1, 1)))},
            "looks at 2 views",
        ),
        (
            {"kind": "siglip", "config": {k: v for k, v in _CONFIG.items() if k != "dim"}},
            "has a siglip tower; RALI's release is a CLIP model",
        ),
    ],
)
def test_what_would_score_otherwise_there_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    bundle = _bundle(tmp_path / "bundle", **changes)
    with pytest.raises(UsageError, match=words):
        export_rali(bundle, tmp_path / "release")
    assert not (tmp_path / "release").exists()


def test_a_photo_squashed_to_the_square_stays_so(tmp_path: Path) -> None:
    preprocess = Preprocess(size=28, shortest_edge=None, resample="bilinear")
    bundle = _bundle(tmp_path / "bundle", preprocess=preprocess)
    export_rali(bundle, tmp_path / "release")
    again = import_rali(tmp_path / "release", tmp_path / "again")
    assert again.info.preprocess == preprocess


def test_another_clip_is_refused(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path / "bundle")
    _clip_folder(tmp_path / "wide", hidden=32)
    with pytest.raises(BundleError, match="wide is another CLIP"):
        export_rali(bundle, tmp_path / "release", clip=tmp_path / "wide")
    (tmp_path / "wide" / "config.json").write_text('{"model_type": "siglip"}', encoding="utf-8")
    with pytest.raises(BundleError, match="no whole CLIP model"):
        export_rali(bundle, tmp_path / "release", clip=tmp_path / "wide")
    with pytest.raises(BundleError, match="cannot read"):
        export_rali(bundle, tmp_path / "release", clip=tmp_path / "nowhere")
    with pytest.raises(BundleError, match="CLIP's does not have"):
        published_clip_names({"pool.out.weight": 0})
    assert not (tmp_path / "release").exists()


def test_the_command(tmp_path: Path) -> None:
    bundle = _bundle(tmp_path / "bundle")
    out = tmp_path / "release"
    words = ["export-rali", str(bundle.root), str(out)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, (told.output, told.exception)
    assert "without a text tower" in told.output
    assert f"next: {typed('ralikit')} import rali {out} BUNDLE" in told.output
    back = CliRunner().invoke(app, ["import", "rali", str(out), str(tmp_path / "back")])
    assert back.exit_code == 0, (back.output, back.exception)
    assert read_bundle(tmp_path / "back").info.tower.kind == "clip"
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, UsageError)
    assert CliRunner().invoke(app, [*words, "--overwrite"]).exit_code == 0
    none = CliRunner().invoke(app, ["export-rali", str(tmp_path), str(tmp_path / "x")])
    assert isinstance(none.exception, RalikitError)
    assert json.loads((out / "best" / "config.json").read_text())["model_type"] == "clip"
