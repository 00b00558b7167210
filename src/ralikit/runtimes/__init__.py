"""What runs an artifact: one narrow protocol, one module per runtime, each imported when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError
from ralikit.extras import require

Views = NDArray[np.uint8]


class Runtime(Protocol):
    """A loaded graph: the views of one photo in, its score out.

    Attributes:
        name: Runtime and version, e.g. ``"onnxruntime 1.31.1"``.
        facts: The artifact's own metadata (see `ralikit.artifact`).
        note: A caveat a user must see, e.g. that Core ML was evaluated off a Mac; or "".
    """

    name: str
    facts: dict[str, Any]
    note: str

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale."""
        ...


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
