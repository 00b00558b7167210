"""Image towers behind one narrow protocol: normalised pixels in, one embedding a view out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ralikit.errors import BundleError

if TYPE_CHECKING:
    import numpy as np

    from ralikit.model.bundle import Bundle
    from ralikit.model.towers.base import Tower


def _mobilenet_v2(config: dict[str, Any]) -> Tower:
    from ralikit.model.towers.mobilenet_v2 import MobileNetV2

    return MobileNetV2(**config)


def _clip(config: dict[str, Any]) -> Tower:
    from ralikit.model.towers.clip import Clip

    return Clip(**config)


def _siglip(config: dict[str, Any]) -> Tower:
    from ralikit.model.towers.siglip import Siglip

    return Siglip(**config)


_BUILDERS: dict[str, Callable[[dict[str, Any]], Tower]] = {
    "mobilenet_v2": _mobilenet_v2,
    "clip": _clip,
    "siglip": _siglip,
}


def build_tower(kind: str, config: dict[str, Any]) -> Tower:
    """Make a tower with untrained weights.

    Raises:
        BundleError: If the kind is unknown or the config does not fit it.
    """
    if kind not in _BUILDERS:
        raise BundleError(f"unknown tower {kind!r}; this version knows {', '.join(_BUILDERS)}")
    try:
        return _BUILDERS[kind](config)
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
