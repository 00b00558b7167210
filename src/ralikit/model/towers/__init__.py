"""Image towers behind one narrow protocol: normalised pixels in, one embedding a view out."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ralikit.errors import BundleError
from ralikit.printable import error_says, listed, shown

if TYPE_CHECKING:
    import numpy as np

    from ralikit.model.bundle import Bundle
    from ralikit.model.towers.base import Tower


TOWERS = {
    "mobilenet_v2": "ralikit.model.towers.mobilenet_v2.MobileNetV2",
    "efficientnet_lite": "ralikit.model.towers.efficientnet_lite.EfficientNetLite",
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
        raise BundleError(f"unknown tower {shown(kind)!r}; this version knows {', '.join(TOWERS)}")
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
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        reason = error_says(error)
        raise BundleError(f"the config does not fit a {kind} tower: {reason}") from error


def load_tower(bundle: Bundle) -> Tower:
    """The bundle's tower with its weights, float32, in evaluation mode.

    Raises:
        BundleError: If a tensor is missing, superfluous, misshapen or not finite, or the bundle's
            views are not what the tower takes.
    """
    spec, where = bundle.info.tower, str(bundle.tower_file)
    edge, size = spec.config.get("size"), bundle.info.preprocess.size
    if edge is not None and edge != size:  # a tower of patches has a position for each
        raise BundleError(
            f"{bundle.root}: its views are {size} pixels wide, its tower takes {shown(repr(edge))}"
        )
    return filled_tower(spec.kind, spec.config, bundle.tower_tensors(), where=where)


def filled_tower(
    kind: str, config: dict[str, Any], tensors: Mapping[str, np.ndarray[Any, Any]], *, where: str
) -> Tower:
    """A tower with these weights, float32, in evaluation mode.

    It takes no memory before every name and shape fits: a config may name any size.

    Raises:
        BundleError: If the kind is unknown, the config does not fit it, or a tensor is missing,
            superfluous, misshapen or not finite.
    """
    import torch

    with torch.device("meta"):
        tower = build_tower(kind, config)
    load_weights(tower, tensors, where=where)
    return tower.eval()


def load_weights(tower: Tower, tensors: Mapping[str, np.ndarray[Any, Any]], *, where: str) -> None:
    """Copy named arrays into a tower as float32; every name and shape must match.

    Raises:
        BundleError: If one does not, or a value is NaN or infinite.
    """
    import torch

    wanted = tower.state_dict()
    _check_names(set(wanted), set(tensors), where=where)
    state = {}
    for name, array in tensors.items():
        shape = tuple(wanted[name].shape)
        if array.shape != shape:
            raise BundleError(
                f"{where} does not fit the tower: {name} has shape {array.shape}, expected {shape}"
            )
        state[name] = torch.from_numpy(array.astype("float32")).to(wanted[name].dtype)
        if not bool(torch.isfinite(state[name]).all()):
            raise BundleError(f"{where}: tensor {name} holds NaN or infinity")
    # Without memory of its own, it takes the arrays as they are.
    tower.load_state_dict(state, assign=any(tensor.is_meta for tensor in wanted.values()))


def _check_names(wanted: set[str], found: set[str], *, where: str) -> None:
    problems = {"lacks": wanted - found, "has no place for": found - wanted}
    said = [f"{verb} {listed(sorted(names))}" for verb, names in problems.items() if names]
    if said:
        raise BundleError(f"{where} does not fit the tower: it {' and '.join(said)}")
