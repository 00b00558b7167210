"""How a tower begins: which of its parameters stay, and a projection that is a regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.errors import TrainingError
from ralikit.model.towers.base import Tower


def freeze_parameters(tower: Tower, prefixes: tuple[str, ...]) -> None:
    """Let the parameters of these names, or that begin with them and a dot, stay as they are.

    Raises:
        TrainingError: If no parameter is called so.
    """
    names = [n for n, _ in tower.named_parameters()]
    for prefix in prefixes:
        if not any(n == prefix or n.startswith(f"{prefix}.") for n in names):
            raise TrainingError(f"frozen: no parameter of the tower is called {prefix!r}")
    for name, parameter in tower.named_parameters():
        frozen = any(name == p or name.startswith(f"{p}.") for p in prefixes)
        parameter.requires_grad_(not frozen)


def ridge(
    x: NDArray[Any], y: NDArray[Any], *, strength: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ridge regression, the penalty relative to the features' mean variance.

    Args:
        x: Features, (n, F).
        y: Targets, (n, D).
        strength: 1 shrinks a direction of mean variance by half.

    Returns:
        Weights, (D, F), and intercept, (D,).
    """
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    a = (x - mean_x).astype(np.float64)
    gram = a.T @ a
    gram[np.diag_indices_from(gram)] += strength * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, a.T @ (y - mean_y)).T
    return weights, mean_y - weights @ mean_x


@torch.no_grad()
def start_projection(
    projection: torch.nn.Linear, weights: NDArray[Any], intercept: NDArray[Any]
) -> None:
    """Let a projection begin at a regression, (D, F) and (D,); without a bias, at its slopes."""
    projection.weight.copy_(torch.from_numpy(weights))
    if projection.bias is not None:
        projection.bias.copy_(torch.from_numpy(intercept))
