"""What a target is: a few functions in a module of its own; the chain calls them in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import nn

from ralikit.export.options import LAYOUTS
from ralikit.export.quantise import layer_types
from ralikit.model.bundle import Bundle
from ralikit.model.folded import FoldedScorer
from ralikit.runtimes import Views


@dataclass(frozen=True, kw_only=True)
class Request:
    """One conversion.

    Attributes:
        bundle: Where the weights come from.
        graph: Its folded scorer, float32, in evaluation mode.
        precision: One of the target's `PRECISIONS`.
        calibration: Views of the calibration photos, each (V, S, S, 3) uint8; empty where the
            precision needs none.
        functions: What the file gives: ``"score"`` alone, or ``"embedding"`` too.
        layout: How a transformer's tokens lie, of `ralikit.export.options.LAYOUTS`; only Core ML
            has another than the first.
        types: Stored type of every layer by its name, where they were chosen layer by layer (a
            transformer's int8, and ``auto``); None: what the precision says.
    """

    bundle: Bundle
    graph: FoldedScorer
    precision: str
    calibration: Sequence[Views]
    functions: tuple[str, ...] = ("score",)
    layout: str = LAYOUTS[0]
    types: Mapping[str, str] | None = None


CALIBRATED = ("int8", "int8-weights", "int4")
"""Precisions that want calibration photos, where a target does not say otherwise."""


def promised_types(graph: FoldedScorer, precision: str) -> dict[str, str]:
    """Stored type of every layer under a common precision; the head stays float32."""
    if graph.tower.arithmetic == "dynamic" and precision in layer_types.PRECISIONS:
        return layer_types.uniform_types(graph, "int4" if precision == "int4" else "int8")
    tower = {"fp32": "float32", "fp16": "float16", "int8": "int8", "int8-weights": "int8"}
    return {
        name: "float32" if name.startswith("head.") else tower[precision]
        for name, module in graph.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }


class Target(Protocol):
    """A module such as `ralikit.export.targets.onnx.target`.

    It keeps `promised_types`, or is `Mixing`.
    """

    NAME: str
    SUFFIX: str
    PRECISIONS: tuple[str, ...]

    def convert(self, request: Request, path: Path) -> None:
        """Write the converted file at `path` (a draft; nobody looks at it before parity)."""
        ...

    def layers(self, path: Path) -> dict[str, str]:
        """Read the file back: the stored type of every layer's weight.

        Returns:
            One entry for every convolution and linear layer of the folded scorer, by its name in
            ``FoldedScorer.named_modules()``, e.g. ``{"tower.stem": "int8", "head.basis":
            "float32"}``; types are ``float32``, ``float16``, ``int8``. The chain refuses a file
            that lacks one or stores one otherwise than the precision promises.
        """
        ...

    def write_facts(self, path: Path, facts: dict[str, Any]) -> None:
        """Put the facts into the file's own metadata, replacing those there."""
        ...

    def tools(self) -> dict[str, str]:
        """Versions of the libraries that made the file."""
        ...


@runtime_checkable
class Mixing(Protocol):
    """What a target has besides, where a precision stores layers in several types.

    Attributes:
        CALIBRATED: Precisions that want calibration photos.
        MEANING: What each precision stores and computes with, in words, for manifests.
    """

    CALIBRATED: tuple[str, ...]
    MEANING: dict[str, str]

    def promises(self, graph: FoldedScorer, precision: str) -> dict[str, str]:
        """Type of every layer of the graph under a precision, in the words of `layers`."""
        ...
