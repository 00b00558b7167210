"""A second CPU backend: OpenVINO on the same ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ralikit.errors import BundleError
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, checked_score
from ralikit.telemetry import hidden


class OpenVinoRuntime:
    """Runs an exported ``.onnx`` file with OpenVINO in float32 and int8, never bf16.

    bf16 is OpenVINO's default where the processor has it; it is switched off, since it would
    change scores beyond what the export proved.

    Raises:
        BundleError: If ralikit did not make the file, or OpenVINO cannot load it.
    """

    observer: Observer | None = None
    many: Many | None = None

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        from ralikit.runtimes.onnx import read_facts

        openvino = _import()

        self.facts = read_facts(path)
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
        self._input, self._outputs = compiled.input(0), list(compiled.outputs)
        self.name = f"openvino {openvino.__version__.split('-')[0]}"
        self.note = ""
        self.unit = "cpu"

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the score is NaN or infinite.
        """
        return checked_score(float(self.outputs(views)["score"].reshape(-1)[0]), where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the file gives for one photo, by name: the score, and what else it has.

        Raises:
            UsageError: If the views have another shape or type.
        """
        check_views(views, self.facts.shape, where=self._path)
        result = self._request.infer({self._input: np.ascontiguousarray(views)})
        return {o.any_name: np.array(result[o], np.float32) for o in self._outputs}


def _import() -> Any:
    # As it is imported, it would make a client id in the home folder and tell a web analytics host.
    with hidden("openvino_telemetry"):
        import openvino
    return openvino


def open_file(path: Path, *, threads: int | None = None) -> OpenVinoRuntime:
    """Open a file, as `ralikit.runtimes.Backend` asks for; errors as in `OpenVinoRuntime`."""
    return OpenVinoRuntime(path, threads=threads)
