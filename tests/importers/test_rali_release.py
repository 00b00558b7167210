"""A checkpoint in the release's layout scores by the described arithmetic, to 1e-5."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from sklearn.decomposition import PCA, IncrementalPCA
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import BundleError, UsageError
from ralikit.importers.rali import import_rali
from ralikit.model.bundle import read_bundle
from ralikit.model.folded import fold
from ralikit.model.towers import load_tower
from ralikit.scorer import load
from ralikit.typed import typed

_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])
_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])
_PREPROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 28},
    "crop_size": {"height": 28, "width": 28},
    "resample": 3,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "rescale_factor": 0.00392156862745098,
    "image_mean": _MEAN.tolist(),
    "image_std": _STD.tolist(),
}


def _pictures(seed: int, count: int) -> torch.Tensor:
    """Smooth random pictures, (count, 28, 28, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 4, 4, generator=generator)
    large = F.interpolate(small, (28, 28), mode="bilinear")
    return (large * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def _normalised(views: torch.Tensor) -> torch.Tensor:
    return ((views / 255 - _MEAN) / _STD).permute(0, 3, 1, 2)


class _Released(nn.Module):
    """The arithmetic of the release, written from its description, over Hugging Face's CLIP."""

    def __init__(self, clip: nn.Module, pca: Any, *, scores: torch.Tensor) -> None:
        super().__init__()
        self.clip = clip
        self.scorer = nn.Module()
        scale = np.sqrt(pca.var_) if hasattr(pca, "var_") else np.ones_like(pca.mean_)
        values = {
            "pca_scale": -torch.as_tensor(scale).float(),  # its sign does not matter
            "pca_components": torch.as_tensor(pca.components_).float(),
            "prototypes": 3 * torch.randn(len(scores), len(pca.components_)),
            "proto_scores": scores,
            "logit_scale": torch.tensor(1 / 0.07),
        }
        for name, value in values.items():
            self.scorer.register_parameter(name, nn.Parameter(value))
        self.register_buffer("mean", torch.as_tensor(pca.mean_).float())
        self.mean: torch.Tensor

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.clip.get_image_features(pixel_values=pixels).pooler_output  # type: ignore[operator]
        s = dict(self.scorer.named_parameters())
        z = ((x - self.mean) / s["pca_scale"].abs()) @ s["pca_components"].T
        cosines = F.normalize(z, dim=-1) @ F.normalize(s["prototypes"], dim=-1).T
        return torch.softmax(cosines * s["logit_scale"], dim=-1) @ s["proto_scores"]


def _release(folder: Path, kind: Any = PCA, *, low: float = 1.0, high: float = 5.0) -> _Released:
    """Write a small checkpoint in the release's layout."""
    torch.manual_seed(3)
    vision = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "patch_size": 7,
        "image_size": 28,
    }
    text = {**vision, "vocab_size": 50, "max_position_embeddings": 9}
    del text["patch_size"], text["image_size"]
    clip = transformers.CLIPModel(
        transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=10)
    ).eval()
    clip.save_pretrained(folder / "best")  # other weights than the checkpoint's, which win
    for parameter in clip.parameters():
        nn.init.normal_(parameter, std=0.2)
    (folder / "best" / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR))
    with torch.no_grad():  # on the model's own features, so that pictures differ after it
        pixels = _normalised(_pictures(0, 40))
        features = clip.get_image_features(pixel_values=pixels).pooler_output
    pca = kind(n_components=6).fit(features.double().numpy())
    model = _Released(clip, pca, scores=torch.linspace(low, high, 7))
    joblib.dump(pca, folder / "pca.pkl")
    state = {k: v for k, v in model.state_dict().items() if k != "mean"}
    torch.save({"state_dict": state, "epoch": 3}, folder / "ckpt.pt")
    np.savez(
        folder / "basis.npz",
        vectors=np.zeros((7, 6), np.float32),
        scores=np.linspace(low, high, 7, dtype=np.float32),
    )
    return model.eval()


@pytest.mark.parametrize("kind", [PCA, IncrementalPCA])
def test_scores_equal_the_described_arithmetic(tmp_path: Path, kind: Any) -> None:
    released = _release(tmp_path, kind)
    bundle = import_rali(tmp_path, tmp_path / "out")
    assert bundle.info.temperature == pytest.approx(0.07)
    views = _pictures(1, 8)
    with torch.no_grad():
        pixels = _normalised(views).double()
        expected = released.double()(pixels).numpy()
        embeddings = load_tower(bundle).double()(pixels).numpy()
        folded = fold(bundle)
        scores = [float(folded(view[None])) for view in views]
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(bundle.head().score(embeddings), expected, atol=1e-5, rtol=0)
    # The graph computes in float32, which these wild random weights amplify.
    np.testing.assert_allclose(scores, expected, atol=5e-5, rtol=0)


def test_a_photo_scores_as_the_published_processor_makes_it(tmp_path: Path) -> None:
    released = _release(tmp_path)
    import_rali(tmp_path, tmp_path / "out")
    rng = np.random.default_rng(2)
    small = Image.fromarray(rng.integers(0, 256, (9, 13, 3), dtype=np.uint8))
    photo = small.resize((130, 91), Image.Resampling.BICUBIC)
    # The published processor, step by step in Pillow: shortest edge, centre crop.
    resized = photo.resize((40, 28), Image.Resampling.BICUBIC).crop((6, 0, 34, 28))
    with torch.no_grad():
        expected = float(released(_normalised(torch.from_numpy(np.array(resized))[None])))
    scorer = load(tmp_path / "out")
    assert scorer.score(photo).value == pytest.approx(expected, abs=5e-5)


def test_half_precision_is_a_choice(tmp_path: Path) -> None:
    _release(tmp_path)
    whole = import_rali(tmp_path, tmp_path / "whole")
    half = import_rali(tmp_path, tmp_path / "half", half=True)
    sizes = [(b.root / "tower.safetensors").stat().st_size for b in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("name", ["ckpt.pt", "pca.pkl", "best/config.json"])
def test_a_partial_folder_names_what_is_missing(tmp_path: Path, name: str) -> None:
    _release(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=f"is not RALI's release: it lacks {name}$"):
        import_rali(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_above_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    _release(tmp_path / "checkpoints")
    with pytest.raises(BundleError, match=r"checkpoints is there: pass that"):
        import_rali(tmp_path, tmp_path / "out")
    with pytest.raises(BundleError, match="is no folder"):
        import_rali(tmp_path / "absent", tmp_path / "out")


def test_the_weights_of_best_serve_where_the_checkpoint_has_none(tmp_path: Path) -> None:
    _release(tmp_path)
    saved = torch.load(tmp_path / "ckpt.pt", weights_only=True)
    state = {k: v for k, v in saved["state_dict"].items() if k.startswith("scorer.")}
    torch.save({"state_dict": state}, tmp_path / "ckpt.pt")
    bundle = import_rali(tmp_path, tmp_path / "out")
    assert bundle.info.provenance["clip_weights"] == "best"


def test_parts_of_different_models_are_refused(tmp_path: Path) -> None:
    _release(tmp_path)
    out = tmp_path / "out"
    joblib.dump(
        PCA(n_components=4).fit(np.random.default_rng(0).normal(size=(20, 8))), tmp_path / "pca.pkl"
    )
    with pytest.raises(BundleError, match=r"pca\.pkl is for 8 features, the tower gives 10"):
        import_rali(tmp_path, out)
    _release(tmp_path)
    np.savez(tmp_path / "basis.npz", vectors=np.zeros((9, 6)), scores=np.zeros(9))
    with pytest.raises(BundleError, match="the checkpoint's prototypes"):
        import_rali(tmp_path, out)
    _release(tmp_path, low=0.1, high=0.8)
    with pytest.raises(UsageError, match=r"run from 0\.1 to 0\.8, not on 1 to 5"):
        import_rali(tmp_path, out)
    assert import_rali(tmp_path, out, scale=(0, 1)).info.scale.maximum == 1.0


def test_a_checkpoint_of_another_kind(tmp_path: Path) -> None:
    _release(tmp_path)
    torch.save({"model": {}}, tmp_path / "ckpt.pt")
    with pytest.raises(BundleError, match=r"has no state_dict; it has model"):
        import_rali(tmp_path, tmp_path / "out")
    torch.save({"state_dict": {"scorer.prototypes": torch.ones(2)}}, tmp_path / "ckpt.pt")
    with pytest.raises(BundleError, match=r"lacks scorer\.pca_scale"):
        import_rali(tmp_path, tmp_path / "out")
    (tmp_path / "ckpt.pt").write_bytes(b"no torch file")
    with pytest.raises(BundleError, match=r"ckpt\.pt"):
        import_rali(tmp_path, tmp_path / "out")


class _Runs:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.flag}",)


@pytest.mark.parametrize("name", ["ckpt.pt", "pca.pkl"])
def test_hostile_files_are_refused_and_do_not_run(tmp_path: Path, name: str) -> None:
    _release(tmp_path)
    flag = tmp_path / "ran"
    if name == "ckpt.pt":
        torch.save({"state_dict": _Runs(flag)}, tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(_Runs(flag)))
    with pytest.raises(BundleError, match="was refused"):
        import_rali(tmp_path, tmp_path / "out")
    assert not flag.exists()
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path) -> None:
    _release(tmp_path)
    out = tmp_path / "bundle"
    told = CliRunner().invoke(app, ["import", "rali", str(tmp_path), str(out), "--name", "mine"])
    assert told.exit_code == 0, told.output
    assert f"next: {typed('ralikit')} score PHOTO --model {out}" in told.stdout
    assert read_bundle(out).info.name == "mine"
    again = CliRunner().invoke(app, ["import", "rali", str(tmp_path), str(out)])
    assert isinstance(again.exception, UsageError)
    shutil.rmtree(out)
    wrong = CliRunner().invoke(app, ["import", "rali", str(tmp_path)])
    assert "pass the release's folder and the bundle" in str(wrong.exception)


class _Hub:
    """huggingface_hub as far as the import uses it: a folder on disk stands for the repository."""

    def __init__(self, root: Path, error: Exception | None = None) -> None:
        self.root, self.error = root, error
        self.asked: list[tuple[str, list[str]]] = []

    def snapshot_download(self, repo: str, *, allow_patterns: list[str], cache_dir: object) -> str:
        self.asked.append((repo, allow_patterns))
        if self.error is not None:
            raise self.error
        return str(self.root)


def _serve(monkeypatch: pytest.MonkeyPatch, hub: _Hub) -> None:
    module = SimpleNamespace(snapshot_download=hub.snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


@pytest.mark.parametrize("layout", ["RALI", "RALI/checkpoints"])
def test_the_release_is_fetched_from_the_hub(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot" / layout
    folder.mkdir(parents=True)
    _release(folder)
    hub = _Hub(tmp_path / "snapshot")
    out = tmp_path / "bundle"
    # transformers uses the hub's library too: it is replaced only once the release is written.
    _serve(monkeypatch, hub)
    told = CliRunner().invoke(app, ["import", "rali", "--from-hub", str(out)])
    assert told.exit_code == 0, (told.output, told.exception)
    assert hub.asked == [("ByteDance/Q-Insight", ["RALI/*"])]
    assert read_bundle(out).hash == import_rali(folder, tmp_path / "local").hash
    # A bundle in the way is found before anything is fetched.
    again = CliRunner().invoke(app, ["import", "rali", "--from-hub", str(out)])
    assert isinstance(again.exception, UsageError)
    both = CliRunner().invoke(app, ["import", "rali", str(folder), "--from-hub", str(out)])
    assert "either CHECKPOINTS OUT or --from-hub OUT" in str(both.exception)
    assert len(hub.asked) == 1


def test_a_hub_that_cannot_be_reached_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve(monkeypatch, _Hub(tmp_path, OSError("Name or service not known.\nTry again.")))
    told = CliRunner().invoke(app, ["import", "rali", "--from-hub", str(tmp_path / "bundle")])
    assert isinstance(told.exception, BundleError)
    assert str(told.exception) == (
        "cannot fetch ByteDance/Q-Insight/RALI from the hub: Name or service not known; download "
        "it where there is a network, and pass its folder"
    )
    _serve(monkeypatch, _Hub(tmp_path))
    told = CliRunner().invoke(app, ["import", "rali", "--from-hub", str(tmp_path / "bundle")])
    assert "expected the release's checkpoints" in str(told.exception)
    assert list(tmp_path.iterdir()) == []
