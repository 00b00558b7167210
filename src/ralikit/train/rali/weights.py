"""A trained tower's weights as they ship: float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import TrainingError
from ralikit.files import publish
from ralikit.model.bundle import write_safetensors
from ralikit.model.towers.base import Tower


def shipped(tower: Tower) -> dict[str, NDArray[Any]]:
    """A tower's weights in float16, by name.

    Raises:
        TrainingError: If a value is too large for float16.
    """
    tensors: dict[str, NDArray[Any]] = {
        name: t.cpu().numpy().astype(np.float16) for name, t in tower.state_dict().items()
    }
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise TrainingError(f"{name} does not fit into float16: a value is too large")
    return tensors


def write_tower(path: Path, tower: Tower) -> None:
    """Write a tower's weights in float16, whole or not at all.

    Raises:
        TrainingError: If a value is too large for float16.
    """
    tensors = shipped(tower)
    with publish(path, overwrite=True) as draft:
        write_safetensors(draft, tensors)
