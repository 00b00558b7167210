"""Run a bundle's folded graph in torch: the reference that exports are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ralikit.artifact import facts_of
from ralikit.bundle import Bundle
from ralikit.export.graph import FoldedScorer, fold
from ralikit.runtimes import Views, check_views, checked_score


class TorchRuntime:
    """A bundle, folded, float32.

    Args:
        bundle: The bundle.

    Raises:
        BundleError: If its tower or head cannot be loaded.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.facts: dict[str, Any] = facts_of(bundle)
        self.name = f"torch {torch.__version__}"
        self.note = ""
        self._graph = fold(bundle)
        preprocess = bundle.info.preprocess
        self._shape = (preprocess.views, preprocess.size, preprocess.size, 3)
        self._root = bundle.root

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the bundle's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        check_views(views, self._shape, where=self._root)
        with torch.inference_mode():
            score = float(self._graph(torch.tensor(views)))
        return checked_score(score, where=self._root)

    def run_many(self, photos: Sequence[Views]) -> list[float]:
        """Score several photos' views in one call; errors as in `run`."""
        return score_many(self._graph, photos, self._shape, where=self._root)


def score_many(
    graph: FoldedScorer, photos: Sequence[Views], shape: tuple[int, ...], *, where: Path
) -> list[float]:
    """Scores of several photos in one pass.

    Args:
        graph: The folded scorer.
        photos: Views of each, of `shape`, uint8 RGB.
        shape: (V, S, S, 3).
        where: The bundle, for errors.

    Raises:
        UsageError: If views have another shape or type.
        BundleError: If a score is NaN or infinite.
    """
    for views in photos:
        check_views(views, shape, where=where)
    with torch.inference_mode():
        scores = graph.many(torch.from_numpy(np.stack(photos)))
    return [checked_score(float(score), where=where) for score in scores]
