"""Run an .mlpackage: with Core ML on a Mac, elsewhere with our evaluator of the saved program."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.model.facts import KEY, Facts, parse_facts
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, score_of
from ralikit.runtimes.digest import refuse_undigested
from ralikit.runtimes.mil.package import Package, check_seal, open_package
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

if TYPE_CHECKING:
    from ralikit.runtimes.mil.ranges import Ranges

INPUT = "image"
PLANAR = "float16-planar"
"""What the facts of a package say under ``input`` whose views are float16 (V, 3, S, S)."""

OFF_DEVICE = (
    "Core ML evaluated off-device: the saved program and its stored weights, computed with torch "
    "on this computer; float16 results are rounded, but float16 sums and the neural engine are "
    "not modelled"
)


class CoreMlRuntime:
    """A package opened for scoring; see `ralikit.runtimes.Runtime`.

    Args:
        path: The .mlpackage folder.
        compute_units: On a Mac, which units Core ML may use: ``"ALL"``, ``"CPU_ONLY"``,
            ``"CPU_AND_GPU"`` or ``"CPU_AND_NE"``. Without meaning elsewhere.

    Raises:
        BundleError: If it is no package, damaged, not from ralikit, or contradicts its own facts.
        MissingExtraError: If coremltools (off a Mac also torch) is not installed.
    """

    name: str
    note: str
    unit: str
    observer: Observer | None = None
    """None on a Mac, where Core ML shows no activations."""
    many: Many | None = None

    def __init__(self, path: Path, *, compute_units: str = "ALL") -> None:
        package = open_package(path)
        self._path = path
        facts = parse_facts(package.metadata.get(KEY), where=str(path))
        self.facts = replace(facts, digested=check_seal(package))
        refuse_undigested(facts.written, self.facts.digested, where=path)
        self._shape = self.facts.shape
        self._planar = _is_planar(package, self.facts)
        version = coremltools("Running a Core ML package").__version__
        self._model: _Model
        if sys.platform == "darwin":
            self._model = _OnMac(path, compute_units)
            self.name = f"Core ML ({compute_units}) through coremltools {version}"
            self.note = ""
            self.unit = f"{compute_units}: Core ML chooses among them and does not say"
        else:
            self._model = self.observer = _OffDevice(package, sorted(self.facts.outputs))
            self.name = f"ralikit's Core ML evaluator on coremltools {version}"
            self.note = OFF_DEVICE
            self.unit = "cpu"

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        return score_of(self.outputs(views), where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the package gives for one photo, by name: the score, and what else it has.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the program cannot be evaluated.
        """
        check_views(views, self._shape, where=self._path)
        if self._planar:
            return self._model.predict(views.transpose(0, 3, 1, 2).astype(np.float16))
        return self._model.predict(views.astype(np.float32))


def open_file(path: Path, *, threads: int | None = None) -> CoreMlRuntime:
    """Open a package, as `ralikit.runtimes.Backend` asks for; Core ML chooses its threads itself.

    Errors as in `CoreMlRuntime`.
    """
    return CoreMlRuntime(path)


class _OffDevice:
    def __init__(self, package: Package, outputs: list[str]) -> None:
        from ralikit.extras import require

        require("torch", extra="coreml", job="Evaluating a Core ML package off a Mac")
        from ralikit.runtimes.mil.program import Program

        self.ranges: Ranges | None = None
        self._program = Program.load(package)
        if set(self._program.inputs) != {INPUT} or sorted(self._program.outputs) != outputs:
            raise BundleError(
                f"{package.root} takes {', '.join(self._program.inputs)} and gives "
                f"{', '.join(self._program.outputs)}; expected {INPUT} and {', '.join(outputs)}"
            )

    def start(self) -> None:
        from ralikit.runtimes.mil.ranges import Ranges

        self.ranges = Ranges()

    def predict(self, image: NDArray[np.floating]) -> Outputs:
        return self._program.run({INPUT: image}, round_fp16=True, observe=self.ranges)


class _OnMac:
    """Core ML itself. Written against coremltools' documentation: not verified here."""

    def __init__(self, path: Path, compute_units: str) -> None:
        ct = coremltools("Running a Core ML package")
        units = getattr(ct.ComputeUnit, compute_units, None)
        if units is None:
            raise UsageError(f"unknown compute units {compute_units!r}")
        with quiet_logs():
            self._model = ct.models.MLModel(str(path), compute_units=units)

    def predict(self, image: NDArray[np.floating]) -> Outputs:
        found = self._model.predict({INPUT: image})
        return {name: np.asarray(value, np.float32) for name, value in found.items()}


_Model = _OffDevice | _OnMac


def _is_planar(package: Package, facts: Facts) -> bool:
    # Whether the views go in as float16 (V, 3, S, S), as the facts say, or as float32 (V, S, S, 3).
    where = str(package.root)
    views, size, _, channels = facts.shape
    planar = facts.written.get("input") == PLANAR
    shape = (views, channels, size, size) if planar else facts.shape
    inputs = {f.name: f.type.multiArrayType for f in package.spec.description.input}
    found = tuple(int(n) for n in inputs[INPUT].shape) if INPUT in inputs else None
    if found != shape:
        raise BundleError(
            f"{where}: its facts speak of views of shape {shape}, its input {INPUT!r} is {found}"
        )
    return planar
