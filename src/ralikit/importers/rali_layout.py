"""A bundle in the layout of the authors' release, the way back of `ralikit.importers.rali`.

Their scorer loads ``ckpt.pt`` strictly into a whole `CLIPModel`, text tower included, and takes the
PCA's mean from ``pca.pkl``. It looks at one view, and does not scale embeddings to unit norm: a
bundle that asks for anything else would score otherwise there, and is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.extras import require
from ralikit.files import publish, to_json
from ralikit.importers.hf_files import CONFIG, SAFE, read_config, read_weights
from ralikit.importers.hf_names import published_clip_names, unwrapped
from ralikit.importers.rali import BASIS, CHECKPOINT, CLIP, PCA
from ralikit.importers.tensors import arrays
from ralikit.model.head import Head
from ralikit.model.safetensors import write_safetensors
from ralikit.photo.views import Preprocess

if TYPE_CHECKING:
    from ralikit.model.bundle import Bundle

_CENTRE = ((0.5, 0.5),)
_FILTERS = {"lanczos": 1, "bilinear": 2, "bicubic": 3}
_ACTIVATIONS = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "silu": "silu",
}
_TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.json", "merges.txt", "added_tokens.json"),
)
_OF_IMAGES = ("vision_model.", "visual_projection.")


def export_rali(
    bundle: Bundle, out: Path, *, clip: Path | None = None, overwrite: bool = False
) -> Path:
    """Write a bundle as ``ckpt.pt``, ``pca.pkl``, ``basis.npz`` and ``best/``.

    Weights are written as float32, and nothing but numbers goes into the pickles.

    Args:
        bundle: Of a CLIP tower, one centred view, embeddings that are not scaled to unit norm.
        out: The folder.
        clip: Folder of the CLIP that the tower started from: its frozen text tower and tokenizer
            are copied. None leaves them out: scores need neither, but the authors' script loads
            strictly and so needs both.
        overwrite: Replace an existing folder.

    Returns:
        The folder.

    Raises:
        UsageError: If the release's scorer would not give the bundle's scores, or `out` exists.
        BundleError: If the bundle is damaged, or `clip` is another model.
    """
    for module in ("torch", "sklearn", "joblib"):
        require(module, extra="train", job="Writing RALI's layout")
    _refuse_what_scores_otherwise(bundle)
    tower = published_clip_names(_whole(bundle.tower_tensors()))
    config = _config(bundle)
    texts: dict[str, NDArray[np.float32]] = {}
    if clip is not None:
        config, texts = _with_texts(config, clip, tower)
    with publish(out, overwrite=overwrite) as draft:
        best = draft / CLIP
        best.mkdir(parents=True)
        (best / CONFIG).write_text(to_json(config), encoding="utf-8")
        processor = to_json(_preprocessor(bundle.info.preprocess))
        (best / "preprocessor_config.json").write_text(processor, encoding="utf-8")
        write_safetensors(best / SAFE, {**texts, **tower}, {"format": "pt"})
        if clip is not None:
            for source in (clip / name for name in _TOKENIZER):
                if source.is_file():
                    shutil.copyfile(source, best / source.name)
        _write_head(draft, bundle.head(), {**texts, **tower})
    return out


def _refuse_what_scores_otherwise(bundle: Bundle) -> None:
    info = bundle.info
    if info.tower.kind != "clip":
        raise UsageError(
            f"{info.name} has a {info.tower.kind} tower; RALI's release is a CLIP model, so only a "
            "clip tower can be written in its layout"
        )
    if info.normalize:
        raise UsageError(
            f"{info.name} scales embeddings to unit norm before the PCA, RALI's release does not: "
            "fit it with fit.normalize = false"
        )
    if info.preprocess.anchors != _CENTRE:
        raise UsageError(
            f"{info.name} looks at {info.preprocess.views} views of a photo, RALI's release at its "
            "centre alone: train it with preprocess.anchors = [[0.5, 0.5]]"
        )


def _whole(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    return {name: np.asarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def _config(bundle: Bundle) -> dict[str, Any]:
    ours = bundle.info.tower.config
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": ours["dim"],
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_act": _ACTIVATIONS[ours["activation"]],
            "hidden_size": ours["width"],
            "image_size": ours["size"],
            "intermediate_size": ours["hidden"],
            "layer_norm_eps": ours["eps"],
            "num_attention_heads": ours["heads"],
            "num_hidden_layers": ours["depth"],
            "patch_size": ours["patch"],
            "projection_dim": ours["dim"],
        },
    }


def _with_texts(
    config: dict[str, Any], clip: Path, tower: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """The config with the text tower's, and the text tower's tensors.

    Raises:
        BundleError: If the folder's model has another image tower, or no text tower.
    """
    theirs = read_config(clip / CONFIG)
    if theirs.get("model_type") != "clip" or not isinstance(theirs.get("text_config"), dict):
        raise BundleError(f"{clip} is no whole CLIP model: its {CONFIG} has no text tower")
    # Buffers that old files carry are no weights: a strict load refuses them now.
    weights = {n: t for n, t in unwrapped(read_weights(clip)).items() if "position_ids" not in n}
    shapes = {n: tuple(t.shape) for n, t in weights.items() if n.startswith(_OF_IMAGES)}
    if shapes != {name: tensor.shape for name, tensor in tower.items()}:
        raise BundleError(f"{clip} is another CLIP: its image tower is not that of the bundle")
    texts = arrays(
        {n: t for n, t in weights.items() if not n.startswith(_OF_IMAGES)}, where=str(clip)
    )
    scale = {k: v for k, v in theirs.items() if k == "logit_scale_init_value"}
    return {**config, **scale, "text_config": theirs["text_config"]}, _whole(texts)


def _preprocessor(preprocess: Preprocess) -> dict[str, Any]:
    square = {"height": preprocess.size, "width": preprocess.size}
    edge = preprocess.shortest_edge
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": edge is not None,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "crop_size": square,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
        "resample": _FILTERS[preprocess.resample],
        "rescale_factor": 1 / 255,
        "size": square if edge is None else {"shortest_edge": edge},
    }


def _write_head(folder: Path, head: Head, clip: Mapping[str, NDArray[Any]]) -> None:
    import joblib
    import torch

    def number(value: Any) -> Any:
        return torch.from_numpy(np.array(value, dtype=np.float32))

    state = {f"clip.{name}": number(tensor) for name, tensor in clip.items()}
    state |= {
        "scorer.pca_scale": number(head.pca_scale),
        "scorer.pca_components": number(head.pca_components),
        "scorer.prototypes": number(head.centroids),
        "scorer.proto_scores": number(head.scores),
        "scorer.logit_scale": number(1.0 / head.temperature),
    }
    torch.save({"state_dict": state}, folder / CHECKPOINT)
    np.savez(
        folder / BASIS,
        vectors=np.asarray(head.centroids, dtype=np.float32),
        scores=np.asarray(head.scores, dtype=np.float32),
    )
    joblib.dump(_pca(head), folder / PCA)


def _pca(head: Head) -> Any:
    """A fitted scikit-learn PCA of these numbers; one that divides by deviations is incremental."""
    from sklearn import decomposition

    plain = bool((np.asarray(head.pca_scale) == 1.0).all())
    kind = decomposition.PCA if plain else decomposition.IncrementalPCA
    made = kind(n_components=len(head.pca_components))
    made.mean_ = np.asarray(head.pca_mean, dtype=np.float64)
    made.components_ = np.asarray(head.pca_components, dtype=np.float64)
    made.n_components_, made.n_features_in_ = head.pca_components.shape
    if not plain:
        made.var_ = np.asarray(head.pca_scale, dtype=np.float64) ** 2
    return made
