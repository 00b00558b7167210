"""What a target is: one declared value, and the module that does its work."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from ralikit.errors import ExportError
from ralikit.export.gate.limits import NARROW, Tolerance
from ralikit.export.options import INPUTS, LAYOUTS, OUTPUTS, PATCHES
from ralikit.extras import require, require_installed
from ralikit.quiet import quiet_natively

if TYPE_CHECKING:
    from ralikit.export.gate.checks import Check
    from ralikit.export.quantise.kinds import Choices
    from ralikit.export.quantise.workbench import Workbench
    from ralikit.model.bundle import Bundle
    from ralikit.model.folded import Folded
    from ralikit.model.towers.base import Arithmetic
    from ralikit.runtimes import Runtime, Views

AUTO = "auto"
"""The precision whose layers each have a type of their own, chosen inside budgets."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """One way in which a target stores and computes a scorer.

    Attributes:
        name: As it is asked for.
        stored: Type of the tower's weights, those that it stores small.
        computed: Type that they are multiplied in.
        calibrated: Whether values are chosen on calibration photos.
        asks_tower: Whether it is for towers alone that name `stored` among their `small_types`.
        arithmetic: For towers alone whose int8 is computed this way; None: for all.
        limits: How far a file may drift.
        meaning: The same in words, where the name means other things elsewhere; for manifests.
    """

    name: str
    stored: str
    computed: str
    calibrated: bool = False
    asks_tower: bool = False
    arithmetic: Arithmetic | None = None
    limits: Tolerance
    meaning: str | None = None


def automatic(*, meaning: str | None = None) -> Precision:
    """The precision `AUTO`, which every target has."""
    return Precision(
        name=AUTO,
        stored="mixed",
        computed="mixed",
        calibrated=True,
        limits=NARROW,
        meaning=meaning,
    )


@dataclass(frozen=True, kw_only=True)
class Target:
    """A format that scorers are exported to.

    Everything that asks which targets, suffixes and precisions there are reads these values from
    `ralikit.export.targets.TARGETS`; none of it needs the target's libraries.

    Attributes:
        name: As it is asked for, e.g. ``"onnx"``.
        suffix: Of its files, with the dot.
        modules: What must be importable to convert.
        extra: The extra of ralikit that installs them.
        job: What needs them, the start of a sentence.
        precisions: What it has.
        outputs: What its files can give.
        layouts: How its files can lay out a transformer's tokens.
        inputs: How they can take their views.
        patches: How they can cut a transformer's patches.
        gpu_rules: Whether it has a phone GPU's rules to check.
        npu_rules: Whether it has an NPU's rules to check.
        largest: Bytes that one of its files can have; None: any number.
        plans_whole: Whether a convolutional tower's int8 is planned as a whole, channels evened out
            between layers: it then loses less than any mix of its size.
        spared: Whether `all` does without it where its libraries are not installed, and says so.
        converter: Name of the module that converts, a `Converter`.
        checker: Name of the module with the checks of its files, a `Checker`.
    """

    name: str
    suffix: str
    modules: tuple[str, ...]
    extra: str
    job: str
    precisions: tuple[Precision, ...]
    outputs: tuple[str, ...] = OUTPUTS
    layouts: tuple[str, ...] = LAYOUTS[:1]
    inputs: tuple[str, ...] = INPUTS[:1]
    patches: tuple[str, ...] = PATCHES[:1]
    gpu_rules: bool = False
    npu_rules: bool = False
    largest: int | None = None
    plans_whole: bool = False
    spared: bool = False
    converter: str
    checker: str

    def precision(self, name: str) -> Precision:
        """One of its precisions.

        Raises:
            ExportError: If it has no such precision.
        """
        for precision in self.precisions:
            if precision.name == name:
                return precision
        known = ", ".join(p.name for p in self.precisions)
        raise ExportError(f"{self.name} has no precision {name!r}; it has {known}")

    @property
    def installed(self) -> bool:
        """Whether its libraries are."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    def require(self, job: str | None = None) -> None:
        """See that its libraries are installed, without the seconds that importing them takes.

        Args:
            job: What needs them, the start of a sentence; None: its own.

        Raises:
            MissingExtraError: If one is not.
        """
        for module in self.modules:
            require_installed(module, extra=self.extra, job=job or self.job)

    def load(self) -> Converter:
        """What converts, its libraries imported.

        Raises:
            MissingExtraError: If one of them is not installed.
        """
        # coremltools and litert-torch greet with notes on versions, some from below Python.
        from ralikit.runtimes.mil.silent import quiet_logs

        with quiet_logs(), quiet_natively():
            for module in self.modules:
                require(module, extra=self.extra, job=self.job)
        return cast(Converter, importlib.import_module(self.converter))

    def checks(self, file: Path, runtime: Runtime) -> list[Check]:
        """What its files are looked at for besides their scores.

        Args:
            file: One of its files.
            runtime: Opened on it, watched while it scored.
        """
        return cast(Checker, importlib.import_module(self.checker)).checks(file, runtime)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One conversion.

    Attributes:
        bundle: Where the weights come from.
        bench: Its folded scorer with calibration photos, and the plans made from both.
        precision: Name of one of the target's precisions.
        outputs: What the file gives, of `ralikit.export.options.OUTPUTS`, the score first.
        layout: How a transformer's tokens lie, of `ralikit.export.options.LAYOUTS`.
        input: How the views come, of `ralikit.export.options.INPUTS`.
        patches: How a transformer cuts patches, of `ralikit.export.options.PATCHES`.
        types: Stored type of every layer by its name, where they are known already; None: what the
            precision says.
    """

    bundle: Bundle
    bench: Workbench
    precision: str
    outputs: tuple[str, ...] = ("score",)
    layout: str = LAYOUTS[0]
    input: str = INPUTS[0]
    patches: str = PATCHES[0]
    types: Mapping[str, str] | None = None

    @property
    def folded(self) -> Folded:
        """The folded scorer, float32, in evaluation mode, with no layer for what is not given."""
        from ralikit.model.folded import with_outputs

        return with_outputs(self.bench.folded, self.outputs)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the input, (V, S, S, 3)."""
        preprocess = self.bundle.info.preprocess
        return preprocess.views, preprocess.size, preprocess.size, 3


class Converter(Protocol):
    """A module such as `ralikit.export.targets.onnx.target`."""

    def types_of(self, bench: Workbench, precision: str) -> dict[str, str]:
        """Stored type of every layer under a precision, in the words of `layers`.

        Of `AUTO`: what layers have that are not up for choice.
        """
        ...

    def convert(self, request: Request, path: Path) -> None:
        """Write the converted file at `path` (a draft; nobody looks at it before parity)."""
        ...

    def layers(self, path: Path) -> dict[str, str]:
        """Read the file back: the stored type of every layer's weight.

        Returns:
            One entry for every convolution and linear layer of the folded scorer, by its name in
            ``Folded.named_modules()``, e.g. ``{"tower.stem": "int8", "head.basis":
            "float32"}``. A file that lacks one, or stores one otherwise than promised, is refused.
        """
        ...

    def structure(self, path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
        """What else the file's facts say of it.

        Args:
            path: The converted file.
            folded: The scorer it was made from.
            photos: Views of photos to run it on.
        """
        ...

    def write_facts(self, path: Path, facts: dict[str, Any]) -> None:
        """Put the facts into the file's own metadata, replacing those there."""
        ...

    def tools(self) -> dict[str, str]:
        """Versions of the libraries that made the file."""
        ...

    def choices(self, bench: Workbench) -> Choices:
        """What each layer that can be stored small may be stored as, for `AUTO`."""
        ...


class Checker(Protocol):
    """A module such as `ralikit.export.targets.onnx.checks`; needed to verify, not to convert."""

    def checks(self, file: Path, runtime: Runtime) -> list[Check]:
        """What a file's structure and facts say of how it will run."""
        ...
