"""What a checkpoint's entries are called here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.printable import shown

Arrays = dict[str, NDArray[Any]]

T = TypeVar("T")

_WRAPPERS = ("module.", "_orig_mod.", "model.")
"""What data parallelism, compilation and trainers put before every name."""

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


def unwrapped(tensors: Mapping[str, T]) -> dict[str, T]:
    """The entries without what every name has before it where a model was saved wrapped.

    ``module.`` is DistributedDataParallel's, ``_orig_mod.`` torch.compile's.
    """
    found = dict(tensors)
    while prefix := _wrapper(found):
        found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found


def _wrapper(names: Mapping[str, object]) -> str:
    for prefix in _WRAPPERS:
        if names and all(name.startswith(prefix) for name in names):
            return prefix
    return ""


_CLIP_TOP = {
    "embeddings.class_embedding": "class_token",
    "embeddings.patch_embedding.weight": "patches.weight",
    "embeddings.position_embedding.weight": "positions",
    "pre_layrnorm.weight": "norm_in.weight",  # the published spelling
    "pre_layrnorm.bias": "norm_in.bias",
    "post_layernorm.weight": "norm_out.weight",
    "post_layernorm.bias": "norm_out.bias",
}


def clip_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """What a CLIP checkpoint's entries are called here; its text tower's are left out."""
    renamed = _rename(vision_part(tensors), _CLIP_TOP)
    if "visual_projection.weight" in tensors:
        renamed["projection.weight"] = tensors["visual_projection.weight"]
    return renamed


def published_clip_names(tensors: Mapping[str, T]) -> dict[str, T]:
    """What the entries of a CLIP tower here are called in a checkpoint of `CLIPModel`.

    Raises:
        BundleError: If one is no part of such a tower.
    """
    theirs = {ours: f"vision_model.{name}" for name, ours in _CLIP_TOP.items()}
    theirs["projection.weight"] = "visual_projection.weight"
    in_block = {ours: name for name, ours in _BLOCK_NAMES.items()}
    found: dict[str, T] = {}
    for name, tensor in tensors.items():
        _, _, rest = name.partition(".")
        index, _, inner = rest.partition(".")
        part, _, leaf = inner.rpartition(".")
        if name.startswith("blocks.") and part in in_block:
            found[f"vision_model.encoder.layers.{index}.{in_block[part]}.{leaf}"] = tensor
        elif name in theirs:
            found[theirs[name]] = tensor
        else:
            raise BundleError(f"the tower has {shown(name)}, which CLIP's does not have")
    return found


def siglip_names(vision: Mapping[str, NDArray[Any]]) -> Arrays:
    """What the entries of SigLIP's or SigLIP2's image tower are called, and how they lie, here.

    Args:
        vision: From `vision_part`.
    """
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
            for name, part_of in zip(("query", "key", "value"), np.split(joined, 3), strict=True):
                renamed[f"pool.{name}.{part}"] = part_of
    if "probe" in renamed:
        renamed["probe"] = renamed["probe"].reshape(-1)
    patches = renamed.get("patches.weight")
    if patches is not None and patches.ndim == 2:  # NaFlex: a linear layer over (row, column, RGB)
        edge = round((patches.shape[1] // 3) ** 0.5)
        renamed["patches.weight"] = patches.reshape(-1, edge, edge, 3).transpose(0, 3, 1, 2)
    return renamed


def vision_part(tensors: Mapping[str, T]) -> Mapping[str, T]:
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
        index, _, rest = name.removeprefix("encoder.layers.").partition(".")
        part, _, leaf = rest.rpartition(".")
        if part not in _BLOCK_NAMES:
            raise BundleError(f"the weights hold {shown(name)}, which such a tower does not have")
        renamed[f"blocks.{index}.{_BLOCK_NAMES[part]}.{leaf}"] = tensor
    return renamed
