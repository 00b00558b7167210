"""Embeddings of a run's photos, and how a tower does on those that it keeps out of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.errors import DataError
from ralikit.files import sha256_path, to_json, write_text
from ralikit.metrics.agreement import plcc, srcc
from ralikit.model.head import Head
from ralikit.model.towers.base import Tower
from ralikit.train.rali.features import Embedder, cached, over_views
from ralikit.train.rali.run import Run
from ralikit.train.rali.tie_width import tie_width

VALIDATION = "validation.json"


def embeddings_of(
    run: Run,
    embedder: Embedder,
    photos: NDArray[np.int64],
    name: str,
    weights: Path,
    anchors: tuple[tuple[float, float], ...] | None = None,
) -> NDArray[np.float32]:
    """Embeddings of photos, averaged over views, cached for these weights."""
    views = anchors or run.preprocess.anchors
    key = f"{sha256_path(weights)} {photos.tolist()} {views} {to_mapping(run.preprocess)}"

    def compute() -> dict[str, NDArray[np.float32]]:
        found = over_views(
            embedder.embed,
            run.store,
            photos.tolist(),
            run.preprocess.size,
            views,
            done=lambda n: run.tell(f"embedding {name} photos", n / len(photos)),
        )
        return {"embeddings": found}

    return cached(run.cache / f"{name}.safetensors", key, compute)["embeddings"]


def validation_figures(
    run: Run, tower: Tower, read: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> dict[str, float]:
    """Agreement of a tower in training with the opinions on the photos kept out.

    Args:
        run: The run.
        tower: In evaluation mode.
        read: Scores of embeddings, (n, D) -> (n,).
    """
    embeddings = over_views(
        run.embedder(tower).embed,
        run.store,
        run.held_out.tolist(),
        run.preprocess.size,
        run.preprocess.anchors,
    )
    found = _agreement(read(embeddings), run.scores[run.held_out])
    return {f"validation_{name}": value for name, value in found.items()}


def validate(run: Run, embedder: Embedder, head: Head, weights: Path) -> None:
    """Agreement on the photos kept out, and how close scores may be (`tie_width`).

    Where they are of several data sets, the agreement on each stands beside that on all.
    """
    embeddings = embeddings_of(run, embedder, run.held_out, "validation", weights)
    predicted, mos = head.score(embeddings), run.scores[run.held_out]
    figures: dict[str, Any] = {
        "photos": len(mos),
        **_agreement(predicted, mos),
        "mae": float(np.abs(predicted - mos).mean()),
    }
    names = np.array([run.samples[i].dataset for i in run.held_out])
    if len(set(names)) > 1:
        figures["sets"] = {
            str(name): {
                "photos": int((names == name).sum()),
                **_agreement(predicted[names == name], mos[names == name]),
            }
            for name in np.unique(names)
        }
    try:
        figures["tie_width"] = tie_width(predicted, mos)
    except DataError as error:
        figures["tie_width_missing"] = str(error)
    write_text(run.out / VALIDATION, to_json(figures))
    if "srcc" in figures:
        run.tell(f"validation: SRCC {figures['srcc']:.4f}, PLCC {figures['plcc']:.4f}", 1.0)


def _agreement(predicted: NDArray[np.floating], mos: NDArray[np.floating]) -> dict[str, float]:
    """SRCC and PLCC; none where there is none: under three photos, one score or one opinion."""
    try:
        return {"srcc": srcc(predicted, mos), "plcc": plcc(predicted, mos)}
    except DataError:  # hours of training are no worse for it
        return {}
