"""What runs an artifact: one narrow protocol, one module per runtime, each imported when needed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.extras import require

Views = NDArray[np.uint8]


class Runtime(Protocol):
    """A loaded graph: the views of one photo in, its score out.

    Attributes:
        name: Runtime and version, e.g. ``"onnxruntime 1.31.1"``.
        facts: The artifact's own metadata (see `ralikit.model.facts`).
        note: A caveat a user must see, e.g. that Core ML was evaluated off a Mac; or "".
    """

    name: str
    facts: dict[str, Any]
    note: str

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale."""
        ...


def check_views(views: Views, shape: tuple[int, ...], *, where: object) -> None:
    """Refuse what a graph cannot take, before native code sees it.

    Args:
        views: One photo's.
        shape: What the artifact's facts promise, (V, S, S, 3).
        where: The artifact, named in the error.

    Raises:
        UsageError: If the views have another shape or type.
    """
    if views.dtype != np.uint8 or views.shape != shape:
        raise UsageError(
            f"{where} takes uint8 views of shape {shape}, not {views.dtype} of {views.shape}"
        )


def checked_score(score: float, *, where: object) -> float:
    """A graph's score, if it is one.

    Raises:
        BundleError: If it is NaN or infinite.
    """
    if not math.isfinite(score):
        raise BundleError(f"{where} gave {score} instead of a score; export it again")
    return score


def open_runtime(path: Path, *, threads: int | None = None) -> Runtime:
    """Open an exported file with the runtime of its suffix.

    Args:
        path: A ``.onnx`` or ``.tflite`` file or a ``.mlpackage`` folder.
        threads: Threads of the runtime; None leaves its default.

    Raises:
        UsageError: If the suffix belongs to no runtime.
        MissingExtraError: If the runtime's library is not installed.
        BundleError: If the file is not one that ralikit wrote.
    """
    if path.suffix == ".onnx":
        from ralikit.runtimes.onnx import OnnxRuntime

        return OnnxRuntime(path, threads=threads)
    if path.suffix == ".tflite":
        require("ai_edge_litert", extra="tflite", job="Running a .tflite file")
        from ralikit.runtimes.litert import LiteRtRuntime

        return LiteRtRuntime(path, threads=threads)
    if path.suffix == ".mlpackage":
        from ralikit.runtimes.coreml import CoreMlRuntime

        return CoreMlRuntime(path)
    raise UsageError(
        f"{path} has no runtime: expected a .onnx or .tflite file, a .mlpackage, or a bundle folder"
    )
