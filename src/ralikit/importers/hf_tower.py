"""Image towers from Hugging Face folders: CLIP, SigLIP and SigLIP2 by their `config.json`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.extras import require
from ralikit.importers.hf_files import (
    CONFIG,
    INDEX,
    PICKLED,
    SAFE,
    read_config,
    read_weights,
    shards,
)
from ralikit.importers.hf_names import (
    Arrays,
    clip_names,
    siglip_names,
    unwrapped,
    vision_part,
)
from ralikit.importers.hf_preprocess import PREPROCESSORS, folder_preprocess, read_preprocess
from ralikit.importers.tensors import arrays
from ralikit.importers.torch_file import read_torch
from ralikit.photo.views import Preprocess
from ralikit.printable import error_says, shown

if TYPE_CHECKING:
    from torch import Tensor

    from ralikit.model.towers.base import Tower

__all__ = [
    "clip_names",
    "described_tower",
    "hf_folder",
    "load_hf_tower",
    "read_config",
    "read_preprocess",
    "read_torch",
    "read_weights",
]

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")

# gelu_new and gelu_fast are other ways to write the formula of gelu_pytorch_tanh.
_ACTIVATIONS = {
    "quick_gelu": "quick_gelu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
# What the published configuration classes take where a key is absent.
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
_NAFLEX = ("siglip2", "siglip2_vision_model")
_NAFLEX_PATCHES = 256
# Models whose image features are pooled without a projection behind.
_UNPROJECTED = (["CLIPVisionModel"], ["CLIPForImageClassification"])
_GRID = 128
"""Most patches along an edge that positions are interpolated to."""


def load_hf_tower(
    folder: Path, *, weights: Mapping[str, Tensor] | None = None
) -> tuple[Tower, Preprocess]:
    """Build the image tower of a Hugging Face folder with its weights and preprocessing.

    Args:
        folder: Has `config.json`, `preprocessor_config.json` (or `processor_config.json`) and,
            unless `weights` is given, `model.safetensors` or `pytorch_model.bin` (the latter read
            as tensors alone), whole or in shards.
        weights: Named tensors that win over the folder's, as in RALI's release.

    Raises:
        BundleError: If something is missing or is not a CLIP, SigLIP or SigLIP2 model.
    """
    from ralikit.model.towers import filled_tower

    where = str(folder / CONFIG)
    described = _described(read_config(folder / CONFIG), where=where)
    tensors = unwrapped(weights if weights is not None else read_weights(folder))
    preprocess = folder_preprocess(folder)
    kind, config, found = described(tensors, preprocess)
    if config["size"] != preprocess.size:
        raise BundleError(
            f"{folder}: its preprocessing makes views of {preprocess.size} pixels, the tower in "
            f"{CONFIG} takes {config['size']}"
        )
    return filled_tower(kind, config, found, where=str(folder)), preprocess


def described_tower(folder: Path) -> tuple[str, dict[str, Any]]:
    """Kind and config of the tower that a folder describes; its weights are not looked for.

    Raises:
        BundleError: If its `config.json` describes no tower that is known here.
    """
    where = str(folder / CONFIG)
    config = read_config(folder / CONFIG)
    _described(config, where=where)
    vision = config.get("vision_config", config)
    if config["model_type"] in ("clip", "clip_vision_model"):
        values = {**_CLIP_DEFAULTS, **vision}
        dim = config.get("projection_dim", values["projection_dim"])
        return "clip", {**_sizes(values, where), "dim": _count(dim, "projection_dim", where)}
    values = {**_SIGLIP_DEFAULTS, **vision}
    if config["model_type"] in _NAFLEX:
        values["image_size"] = folder_preprocess(folder).size
    return "siglip", _sizes(values, where)


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
    wanted = [CONFIG, *reversed(PREPROCESSORS), SAFE, f"{SAFE}{INDEX}"]

    def fetch(*more: str) -> Path:
        return Path(hub.snapshot_download(name, allow_patterns=[*wanted, *more]))

    try:
        folder = fetch()
        if not any((folder / n).is_file() for n in (SAFE, f"{SAFE}{INDEX}")):
            folder = fetch(PICKLED, f"{PICKLED}{INDEX}")
        for index in (folder / f"{n}{INDEX}" for n in (SAFE, PICKLED)):
            if index.is_file() and not (folder / index.name.removesuffix(INDEX)).is_file():
                folder = fetch(*(shard.name for shard in shards(index, present=False)))
    except (OSError, ValueError) as error:
        reason = error_says(error, first_line=True)
        raise BundleError(
            f"{local} is no folder, and the hub does not give {name}: {reason}"
        ) from error
    return folder


_Described = Callable[[Mapping[str, "Tensor"], Preprocess], tuple[str, dict[str, Any], Arrays]]


def _described(config: dict[str, Any], *, where: str) -> _Described:
    """What turns a folder's tensors into a tower's kind, config and arrays.

    Raises:
        BundleError: If the config describes no tower that is known here.
    """
    kind = config.get("model_type", "")
    vision = config.get("vision_config", config)
    if not isinstance(vision, dict):
        raise BundleError(f"{where}: its vision_config is not a JSON object")
    if kind in ("clip", "clip_vision_model"):
        return partial(_clip, config, {**_CLIP_DEFAULTS, **vision}, where)
    if kind in ("siglip", "siglip_vision_model", *_NAFLEX):
        values = {**_SIGLIP_DEFAULTS, **vision}
        if values.get("vision_use_head", True) is False:
            raise BundleError(f"{where} leaves out the pooling head: such a tower has no embedding")
        return partial(_naflex if kind in _NAFLEX else _siglip, values, where)
    name = shown(str(kind)) or "nameless"
    raise BundleError(f"{where} describes a {name} model; expected clip, siglip or siglip2")


def _clip(
    config: dict[str, Any],
    values: dict[str, Any],
    where: str,
    tensors: Mapping[str, Tensor],
    _: Preprocess,
) -> tuple[str, dict[str, Any], Arrays]:
    sizes = _sizes(values, where)
    found: Arrays = dict(arrays(clip_names(tensors), where=where))
    dim = config.get("projection_dim", values["projection_dim"])
    made = config.get("architectures")
    if "projection.weight" not in found and isinstance(made, list) and made[:1] in _UNPROJECTED:
        dim = sizes["width"]
        if dim != found["class_token"].size:
            raise BundleError(f"{where}: hidden_size is {dim}, the weights have another")
        found["projection.weight"] = np.eye(dim, dtype=np.float32)
    return "clip", {**sizes, "dim": _count(dim, "projection_dim", where)}, found


def _siglip(
    values: dict[str, Any], where: str, tensors: Mapping[str, Tensor], _: Preprocess
) -> tuple[str, dict[str, Any], Arrays]:
    return "siglip", _sizes(values, where), siglip_names(arrays(vision_part(tensors), where=where))


def _naflex(
    values: dict[str, Any], where: str, tensors: Mapping[str, Tensor], preprocess: Preprocess
) -> tuple[str, dict[str, Any], Arrays]:
    """SigLIP2's tower for any shape, at the square that its preprocessing makes.

    Positions are interpolated to that square as `Siglip2VisionModel` does it for every photo.
    """
    _, sizes, found = _siglip({**values, "image_size": preprocess.size}, where, tensors, preprocess)
    count = _count(values.get("num_patches", _NAFLEX_PATCHES), "num_patches", where)
    own, grid = math.isqrt(count), sizes["size"] // sizes["patch"]
    positions = found.get("positions", np.zeros(0))
    if own**2 != count or positions.ndim != 2 or len(positions) != count:
        raise BundleError(
            f"{where}: num_patches is {count}; a square number is expected, and as many positions"
        )
    if grid > _GRID:
        raise BundleError(
            f"{where}: its preprocessing asks for {grid} x {grid} patches; at most {_GRID} x "
            f"{_GRID} are read"
        )
    if 1 <= grid != own:
        found["positions"] = _interpolated(positions, own, grid)
    return "siglip", sizes, found


def _interpolated(positions: NDArray[Any], own: int, grid: int) -> NDArray[Any]:
    """Positions of another square, (own², C) -> (grid², C)."""
    import torch
    from torch.nn import functional as F

    whole = torch.from_numpy(positions).reshape(1, own, own, -1).permute(0, 3, 1, 2)
    other = F.interpolate(
        whole, size=(grid, grid), mode="bilinear", align_corners=False, antialias=True
    )
    result: NDArray[Any] = other.flatten(2)[0].t().contiguous().numpy()
    return result


def _count(value: Any, key: str, where: str) -> int:
    """A whole number above 0; of a pair, the one that both are."""
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        what = shown(repr(value))
        raise BundleError(f"{where}: {key} is {what}; a whole number above 0 is expected")
    return value


def _sizes(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    activation, eps = values["hidden_act"], values["layer_norm_eps"]
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise BundleError(f"{where} names the activation {shown(repr(activation))}; unknown")
    if values.get("num_channels", 3) != 3:
        raise BundleError(f"{where}: num_channels is {shown(repr(values['num_channels']))}, not 3")
    if not isinstance(eps, float | int) or isinstance(eps, bool):
        raise BundleError(f"{where}: layer_norm_eps is {shown(repr(eps))}; a number is expected")
    return {
        **{ours: _count(values[theirs], theirs, where) for ours, theirs in _COUNTS.items()},
        "activation": _ACTIVATIONS[activation],
        "eps": float(eps),
    }


_COUNTS = {
    "size": "image_size",
    "patch": "patch_size",
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
}
