"""Image towers from Hugging Face folders: CLIP, SigLIP and SigLIP2 by their `config.json`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ralikit.errors import BundleError, RalikitError
from ralikit.extras import require
from ralikit.files import read_json
from ralikit.photo.views import Filter, Preprocess

if TYPE_CHECKING:
    from torch import Tensor

    from ralikit.model.towers.base import Tower

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")

_ACTIVATIONS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh"}
# Pillow's numbers of its filters.
_FILTERS: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
# What the published configuration classes take where a key is absent.
T = TypeVar("T")

_CLIP_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 512,
}
_SIGLIP_DEFAULTS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}


def load_hf_tower(
    folder: Path, *, weights: Mapping[str, Tensor] | None = None
) -> tuple[Tower, Preprocess]:
    """Build the image tower of a Hugging Face folder with its weights and preprocessing.

    Args:
        folder: Has `config.json`, `preprocessor_config.json` and, unless `weights` is given,
            `model.safetensors` or `pytorch_model.bin` (the latter read as tensors alone).
        weights: Named tensors that win over the folder's, as in RALI's release.

    Raises:
        BundleError: If something is missing or is not a CLIP, SigLIP or SigLIP2 model.
    """
    from ralikit.model.towers import load_weights

    tower, rename = _build(read_config(folder / CONFIG), where=str(folder / CONFIG))
    tensors = rename(weights if weights is not None else read_weights(folder))
    arrays = {name: tensor.detach().float().cpu().numpy() for name, tensor in tensors.items()}
    load_weights(tower, arrays, where=str(folder))
    return tower.eval(), read_preprocess(folder / PREPROCESSOR)


def hf_folder(local: Path, name: str) -> Path:
    """A model's folder: the local one, or else the hub's of that name, fetched once.

    Args:
        local: Where it lies if it is on this computer.
        name: What to ask the hub for otherwise, ``OWNER/MODEL``.

    Raises:
        BundleError: If there is no such folder and the hub does not give it.
        MissingExtraError: If huggingface_hub is not installed.
    """
    if local.is_dir():
        return local
    if not _HUB_NAME.fullmatch(name):
        raise BundleError(f"{local} is no folder, and {name} no name on the hub (OWNER/MODEL)")
    hub = require("huggingface_hub", extra="hub", job="Fetching a model from the hub")
    wanted = [CONFIG, PREPROCESSOR, _WEIGHTS[0]]
    try:
        folder = Path(hub.snapshot_download(name, allow_patterns=wanted))
        if not (folder / _WEIGHTS[0]).is_file():
            folder = Path(hub.snapshot_download(name, allow_patterns=[*wanted, _WEIGHTS[1]]))
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise BundleError(
            f"{local} is no folder, and the hub does not give {name}: {reason}"
        ) from error
    return folder


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object of a Hugging Face folder.

    Raises:
        BundleError: If it is missing or no JSON object.
    """
    try:
        value = read_json(path)
    except RalikitError as error:
        raise BundleError(str(error)) from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} is not a JSON object")
    return value


def read_weights(folder: Path) -> Mapping[str, Tensor]:
    """Named tensors of a Hugging Face folder; no code of a .bin file runs.

    Raises:
        BundleError: If there are none, or the file holds anything but tensors.
    """
    safe, pickled = (folder / name for name in _WEIGHTS)
    if safe.is_file():
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: dict[str, Tensor] = load_file(safe)
        except (SafetensorError, OSError) as error:
            raise BundleError(f"{safe} is not a valid safetensors file: {error}") from error
        return tensors
    if pickled.is_file():
        return read_torch(pickled)
    raise BundleError(f"{folder} has no weights: neither {_WEIGHTS[0]} nor {_WEIGHTS[1]}")


def read_torch(path: Path) -> dict[str, Any]:
    """Read a torch file with `weights_only=True`: tensors and plain values, nothing that runs.

    Raises:
        BundleError: If it is missing, no torch file, or holds anything else.
    """
    import pickle  # for its error type alone

    import torch

    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise BundleError(
            f"{path} was refused: it is damaged or holds more than tensors and plain values"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise BundleError(f"{path} is not a torch file: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} holds a {type(value).__name__}, a dictionary is expected")
    return value


def read_preprocess(path: Path) -> Preprocess:
    """The preprocessing that a `preprocessor_config.json` of CLIP or SigLIP declares.

    Raises:
        BundleError: If it is missing or asks for what `Preprocess` does not do.
    """
    raw = read_config(path)
    try:
        size, crop = raw["size"], raw.get("crop_size")
        edge: int | None
        if isinstance(size, int):
            edge = size
        elif "shortest_edge" in size:
            edge = int(size["shortest_edge"])
        else:
            edge = None
        cropped = raw.get("do_center_crop", edge is not None)
        if edge is not None and not cropped:
            raise BundleError(f"{path} keeps the photo's shape: only square inputs are read")
        square = _square(crop if cropped else size, path)
        if edge is None and square != _square(size, path):
            raise BundleError(f"{path} squashes to another size than it crops")
        if not all(raw.get(key, True) for key in ("do_resize", "do_rescale", "do_normalize")):
            raise BundleError(f"{path} leaves out a step: resize, rescale and normalise are needed")
        if abs(float(raw.get("rescale_factor", 1 / 255)) * 255 - 1) > 1e-6:
            raise BundleError(f"{path} rescales by {raw['rescale_factor']}, 1/255 is expected")
        number = int(raw.get("resample", 3 if edge is not None else 2))
        if number not in _FILTERS:
            raise BundleError(f"{path} resizes with filter {number}; known are {_FILTERS}")
        return Preprocess(
            size=square,
            shortest_edge=edge,
            resample=_FILTERS[number],
            mean=_three(raw["image_mean"]),
            std=_three(raw["image_std"]),
        )
    except KeyError as error:
        raise BundleError(f"{path} has no {error}") from error
    except (TypeError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error


def _square(size: Any, path: Path) -> int:
    if isinstance(size, int):
        return size
    if not isinstance(size, dict) or size.get("height") != size.get("width"):
        raise BundleError(f"{path} asks for {size}: only square inputs are read")
    return int(size["height"])


def _three(values: Any) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise TypeError(f"three channel values are expected, not {values!r}")
    return (float(values[0]), float(values[1]), float(values[2]))


def _build(
    config: dict[str, Any], *, where: str
) -> tuple[Tower, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]]:
    from ralikit.model.towers import build_tower

    kind = str(config.get("model_type", ""))
    vision = config.get("vision_config", config)
    if kind in {"clip", "clip_vision_model"}:
        values = {**_CLIP_DEFAULTS, **vision}
        dim = config.get("projection_dim", values["projection_dim"])
        return build_tower("clip", {**_sizes(values, where), "dim": dim}), clip_names
    if kind.startswith("siglip"):
        values = {**_SIGLIP_DEFAULTS, **vision}
        if "num_patches" in values:  # SigLIP2's NaFlex, read at the square it was made for
            values["image_size"] = round(values["num_patches"] ** 0.5) * values["patch_size"]
        return build_tower("siglip", _sizes(values, where)), _siglip_names
    raise BundleError(
        f"{where} describes a {kind or 'nameless'} model; expected clip, siglip or siglip2"
    )


def _sizes(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    if values["hidden_act"] not in _ACTIVATIONS:
        raise BundleError(f"{where} names the activation {values['hidden_act']!r}; unknown")
    return {
        "size": values["image_size"],
        "patch": values["patch_size"],
        "width": values["hidden_size"],
        "depth": values["num_hidden_layers"],
        "heads": values["num_attention_heads"],
        "hidden": values["intermediate_size"],
        "activation": _ACTIVATIONS[values["hidden_act"]],
        "eps": values["layer_norm_eps"],
    }


_BLOCK_NAMES = {
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.out",
    "mlp.fc1": "mlp.up",
    "mlp.fc2": "mlp.down",
}


def clip_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """What a CLIP checkpoint's entries are called here; its text tower's are left out."""
    top = {
        "embeddings.class_embedding": "class_token",
        "embeddings.patch_embedding.weight": "patches.weight",
        "embeddings.position_embedding.weight": "positions",
        "pre_layrnorm.weight": "norm_in.weight",  # the published spelling
        "pre_layrnorm.bias": "norm_in.bias",
        "post_layernorm.weight": "norm_out.weight",
        "post_layernorm.bias": "norm_out.bias",
    }
    renamed = _rename(_vision(tensors), top)
    if "visual_projection.weight" in tensors:
        renamed["projection.weight"] = tensors["visual_projection.weight"]
    return renamed


def _siglip_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    vision = dict(_vision(tensors))
    top = {
        "embeddings.patch_embedding.weight": "patches.weight",
        "embeddings.patch_embedding.bias": "patches.bias",
        "embeddings.position_embedding.weight": "positions",
        "post_layernorm.weight": "norm_out.weight",
        "post_layernorm.bias": "norm_out.bias",
        "head.probe": "probe",
        "head.attention.out_proj.weight": "pool.out.weight",
        "head.attention.out_proj.bias": "pool.out.bias",
        "head.layernorm.weight": "pool_norm.weight",
        "head.layernorm.bias": "pool_norm.bias",
        "head.mlp.fc1.weight": "pool_mlp.up.weight",
        "head.mlp.fc1.bias": "pool_mlp.up.bias",
        "head.mlp.fc2.weight": "pool_mlp.down.weight",
        "head.mlp.fc2.bias": "pool_mlp.down.bias",
    }
    renamed = _rename(vision, top)
    for part in ("weight", "bias"):
        joined = vision.get(f"head.attention.in_proj_{part}")
        if joined is not None:
            for name, tensor in zip(("query", "key", "value"), joined.chunk(3), strict=True):
                renamed[f"pool.{name}.{part}"] = tensor
    if "probe" in renamed:
        renamed["probe"] = renamed["probe"].reshape(-1)
    patches = renamed.get("patches.weight")
    if patches is not None and patches.ndim == 2:  # NaFlex: a linear layer over (row, column, RGB)
        edge = round((patches.shape[1] // 3) ** 0.5)
        renamed["patches.weight"] = patches.reshape(-1, edge, edge, 3).permute(0, 3, 1, 2)
    return renamed


def _vision(tensors: Mapping[str, T]) -> Mapping[str, T]:
    """The image tower's tensors without their prefix; a text tower's are left out."""
    prefix = "vision_model."
    if any(name.startswith(prefix) for name in tensors):
        return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
    return tensors


def _rename(vision: Mapping[str, T], top: Mapping[str, str]) -> dict[str, T]:
    renamed = {ours: vision[theirs] for theirs, ours in top.items() if theirs in vision}
    for name, tensor in vision.items():
        if not name.startswith("encoder.layers."):
            continue
        _, _, index, rest = name.split(".", 3)
        part, _, leaf = rest.rpartition(".")
        if part not in _BLOCK_NAMES:
            raise BundleError(f"the weights hold {name}, which such a tower does not have")
        renamed[f"blocks.{index}.{_BLOCK_NAMES[part]}.{leaf}"] = tensor
    return renamed
