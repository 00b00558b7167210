"""Image towers behind one narrow protocol: normalised pixels in, one embedding a view out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ralikit.errors import BundleError

if TYPE_CHECKING:
    import numpy as np

    from ralikit.model.bundle import Bundle
    from ralikit.model.towers.base import Tower


TOWERS = {
    "mobilenet_v2": "ralikit.model.towers.mobilenet_v2.MobileNetV2",
    "clip": "ralikit.model.towers.clip.Clip",
    "siglip": "ralikit.model.towers.siglip.Siglip",
}
"""Every tower by its kind: a module and the class in it, imported when it is asked for."""


def tower_class(kind: str) -> type[Tower]:
    """The class of a kind of tower, which says what such towers can do.

    Raises:
        BundleError: If the kind is unknown.
    """
    if kind not in TOWERS:
        raise BundleError(f"unknown tower {kind!r}; this version knows {', '.join(TOWERS)}")
    module, _, name = TOWERS[kind].rpartition(".")
    found: type[Tower] = getattr(importlib.import_module(module), name)
    return found


def build_tower(kind: str, config: dict[str, Any]) -> Tower:
    """Make a tower with untrained weights.

    Raises:
        BundleError: If the kind is unknown or the config does not fit it.
    """
    cls = tower_class(kind)
    try:
        return cls(**config)
    except TypeError as error:
        raise BundleError(f"the config does not fit a {kind} tower: {error}") from error


def load_tower(bundle: Bundle) -> Tower:
    """The bundle's tower with its weights, float32, in evaluation mode.

    Raises:
        BundleError: If a tensor is missing, superfluous, misshapen or not finite.
    """
    from ralikit.model.bundle import TOWER, read_safetensors

    tower = build_tower(bundle.info.tower.kind, bundle.info.tower.config)
    load_weights(tower, read_safetensors(bundle.root / TOWER), where=str(bundle.root / TOWER))
    return tower.eval()


def load_weights(tower: Tower, tensors: dict[str, np.ndarray[Any, Any]], *, where: str) -> None:
    """Copy named arrays into a tower as float32; every name and shape must match.

    Raises:
        BundleError: If one does not, or a value is NaN or infinite.
    """
    import torch

    state = {k: torch.from_numpy(v.astype("float32")) for k, v in tensors.items()}
    for name, tensor in state.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BundleError(f"{where}: tensor {name} holds NaN or infinity")
    try:
        tower.load_state_dict(state)
    except RuntimeError as error:
        summary = " ".join(str(error).split())
        raise BundleError(f"{where} does not fit the tower: {summary}") from error
