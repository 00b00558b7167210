"""A second CPU backend: OpenVINO on the same ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ralikit.errors import BundleError
from ralikit.runtimes import Views


class OpenVinoRuntime:
    """Runs an exported ``.onnx`` file with OpenVINO in float32 and int8, never bf16.

    bf16 is OpenVINO's default where the processor has it; it is switched off, since it would
    change scores beyond what the export proved.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import openvino

        from ralikit.runtimes.onnx import read_facts

        self.facts: dict[str, Any] = read_facts(path)
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", options)
        except RuntimeError as error:
            summary = str(error).strip().splitlines()[-1]
            raise BundleError(f"OpenVINO cannot load {path}: {summary}") from error
        self._request = compiled.create_infer_request()
        self._input = compiled.input(0)
        self.name = f"openvino {openvino.__version__.split('-')[0]}"
        self.note = ""

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB."""
        result = self._request.infer({self._input: np.ascontiguousarray(views)})
        return float(next(iter(result.values())).reshape(-1)[0])
