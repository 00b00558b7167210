"""Run a bundle's folded graph in torch: the reference that exports are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of, outputs_facts, read_facts
from ralikit.model.folded import Folded, fold, with_outputs
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, checked_score


class TorchRuntime:
    """A bundle, folded, float32.

    Args:
        bundle: The bundle.
        graph: Another graph with the bundle's pixels and scores; None: the folded one.

    Raises:
        BundleError: If its tower or head cannot be loaded.
    """

    observer: Observer | None = None

    def __init__(self, bundle: Bundle, folded: Folded | None = None) -> None:
        reasons = () if bundle.info.reasons is None else ("reasons",)
        outputs = outputs_facts(bundle, ("score", "embedding", *reasons))
        self.facts = read_facts(facts_of(bundle) | outputs, where=str(bundle.root))
        self.name = f"torch {torch.__version__}"
        self.note = ""
        self.unit = "cpu"
        self._folded = folded or fold(bundle)
        self._shape = self.facts.shape
        self._root = bundle.root

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the bundle's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        check_views(views, self._shape, where=self._root)
        with torch.inference_mode():
            score = float(with_outputs(self._folded, ("score",))(torch.tensor(views)))
        return checked_score(score, where=self._root)

    def outputs(self, views: Views) -> Outputs:
        """The score, (1,), the embedding, (1, D), and the reasons, (K,), of one photo.

        Reasons of bundles alone that have a bank; errors as in `run`.
        """
        check_views(views, self._shape, where=self._root)
        with torch.inference_mode():
            given = with_outputs(self._folded, self.facts.outputs)(torch.tensor(views))
        return {name: o.numpy() for name, o in zip(self.facts.outputs, given, strict=True)}

    @property
    def many(self) -> Many:
        """`run_many`."""
        return self.run_many

    def run_many(self, photos: Sequence[Views]) -> list[float]:
        """Score several photos' views in one call; errors as in `run`."""
        for views in photos:
            check_views(views, self._shape, where=self._root)
        with torch.inference_mode():
            scores = self._folded.many(torch.from_numpy(np.stack(photos)))
        return [checked_score(float(score), where=self._root) for score in scores]
