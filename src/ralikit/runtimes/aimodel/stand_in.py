"""An .aimodel's program computed with torch, for photos that Apple's runtime is too slow for."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from ralikit.errors import BundleError
from ralikit.extras import require
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, score_of
from ralikit.runtimes.aimodel.asset import checked_facts, open_asset
from ralikit.runtimes.mil.ranges import Ranges

INPUT = "image"
STANDS_IN = (
    "the saved program and its stored weights computed with torch, compared with Apple's runtime "
    "on a few photos (see the check); float16 sums and accelerators are not modelled"
)


class StandIn:
    """A .aimodel opened for comparison; see `ralikit.runtimes.Runtime`.

    Args:
        path: The .aimodel folder.

    Raises:
        BundleError: If it is no such folder, damaged, not from ralikit, or contradicts its facts.
        MissingExtraError: If coreai-core or torch is not installed.
    """

    many: Many | None = None

    def __init__(self, path: Path) -> None:
        require("torch", extra="coreai", job="Checking a Core AI model")
        from ralikit.runtimes.aimodel.program import Program

        asset = open_asset(path)
        self._path = path
        self.facts = checked_facts(asset)
        self._program = Program.load(asset)
        self.name = f"ralikit's Core AI evaluator on coreai-core {version('coreai-core')}"
        self.note, self.unit = STANDS_IN, "cpu"
        self.observer: Observer | None = _Watching()
        found = self._program.inputs, sorted(self._program.outputs)
        if found != ({INPUT: ("ui8", self.facts.shape)}, sorted(self.facts.outputs)):
            raise BundleError(
                f"{path}: its program takes {found[0]} and gives {', '.join(found[1])}, where its "
                f"facts speak of uint8 views of shape {self.facts.shape} and of "
                f"{', '.join(self.facts.outputs)}"
            )

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        return score_of(self.outputs(views), where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the file gives for one photo, by name.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the program cannot be computed.
        """
        check_views(views, self.facts.shape, where=self._path)
        ranges = None if self.observer is None else self.observer.ranges
        found = self._program.run(views, observe=ranges)
        return {name: np.asarray(value) for name, value in found.items()}


def open_file(path: Path, *, threads: int | None = None) -> StandIn:
    """Open a file, as `ralikit.runtimes.Backend` asks for; errors as in `StandIn`."""
    del threads  # torch's own number counts
    return StandIn(path)


class _Watching:
    def __init__(self) -> None:
        self.ranges: Ranges | None = None

    def start(self) -> None:
        self.ranges = Ranges()
