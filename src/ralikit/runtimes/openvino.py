"""A second CPU backend: OpenVINO on the same ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ralikit.errors import BundleError
from ralikit.model.facts import preprocess_of
from ralikit.runtimes import Views, check_views, checked_score


class OpenVinoRuntime:
    """Runs an exported ``.onnx`` file with OpenVINO in float32 and int8, never bf16.

    bf16 is OpenVINO's default where the processor has it; it is switched off, since it would
    change scores beyond what the export proved.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import openvino

        from ralikit.runtimes.onnx import read_facts

        self.facts: dict[str, Any] = read_facts(path)
        wanted = preprocess_of(self.facts, where=str(path))
        self._shape = (wanted.views, wanted.size, wanted.size, 3)
        self._path = path
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
        self._input, self._score = compiled.input(0), compiled.output(0)
        self.name = f"openvino {openvino.__version__.split('-')[0]}"
        self.note = ""

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        check_views(views, self._shape, where=self._path)
        result = self._request.infer({self._input: np.ascontiguousarray(views)})
        return checked_score(float(result[self._score].reshape(-1)[0]), where=self._path)
