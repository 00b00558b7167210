"""What several exports of one scorer share, each piece worked out when it is first asked for."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.export.cache import cached
from ralikit.export.quantise import smoothing
from ralikit.export.quantise.int8 import Int8Plan, prepare_int8
from ralikit.export.quantise.smoothing import Activations, Place, Smoothing
from ralikit.export.quantise.static import StaticPlan, prepare_static
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

LARGE = 50e6
"""Parameters from which what was worked out is kept on disk, too: it takes minutes."""


class Workbench:
    """A folded scorer and calibration photos, with the plans made from both.

    Targets of one export share it; nothing on it is changed by whoever uses it.

    Args:
        graph: The folded, rewritten scorer.
        photos: Views of the calibration photos, each (V, S, S, 3) uint8; or what makes them, called
            once, when a precision first needs photos.

    Attributes:
        folded: The scorer.
    """

    def __init__(
        self, folded: Folded, photos: Sequence[Views] | Callable[[], Sequence[Views]] = ()
    ) -> None:
        self.folded = folded
        self._photos = photos

    @cached_property
    def calibration(self) -> Sequence[Views]:
        """Views of the calibration photos, each (V, S, S, 3) uint8."""
        return self._photos() if callable(self._photos) else self._photos

    @cached_property
    def int8_plan(self) -> Int8Plan:
        """A convolutional tower in int8, as every target stores it.

        Raises:
            ExportError: If there are no photos, or the tower has no fixed graph.
        """
        return prepare_int8(self.folded, self.calibration)

    @cached_property
    def static_plan(self) -> StaticPlan:
        """A transformer in int8 with ranges from photos, as every target stores it.

        Raises:
            ExportError: If there are no photos, the tower is no transformer, or every layer would
                be spoilt.
        """
        return prepare_static(self.folded, self.calibration, self.smoothing("static"))

    def smoothing(self, activations: Activations) -> Smoothing:
        """How a transformer's channels are evened out for a kind of arithmetic.

        Args:
            activations: What shares a scale where the file runs.

        Raises:
            ExportError: If there are no photos, or the tower is no transformer.
        """
        if activations not in self._smoothings:
            self._smoothings[activations] = self._smoothed(activations)
        return self._smoothings[activations]

    @cached_property
    def _smoothings(self) -> dict[Activations, Smoothing]:
        return {}

    @cached_property
    def _places(self) -> list[Place]:
        # One pass over the photos serves every kind of arithmetic.
        return smoothing.watch(self.folded, self.calibration)

    def _smoothed(self, activations: Activations) -> Smoothing:
        def make() -> dict[str, NDArray[np.float64]]:
            graph = copy.deepcopy(self.folded)
            found = smoothing.smooth(graph, self._places, activations=activations)
            arrays = {f"scale/{name}": s.numpy() for name, s in found.scales.items()}
            return arrays | {f"error/{name}": np.array(e) for name, e in found.errors.items()}

        if sum(p.numel() for p in self.folded.parameters()) < LARGE:
            made = make()
        else:  # minutes: an export that was interrupted goes on from here
            weights = [p.detach().numpy() for p in self.folded.parameters()]
            parts = {"graph": _digest(weights), "photos": _digest(self.calibration)}
            made = cached("smoothing", {**parts, "activations": activations}, make, code=__name__)
        return Smoothing(
            scales={n[6:]: torch.from_numpy(a) for n, a in made.items() if n.startswith("scale/")},
            errors={n[6:]: float(a) for n, a in made.items() if n.startswith("error/")},
        )


def _digest(arrays: Sequence[NDArray[np.generic]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
