"""Run an .onnx file with ONNX Runtime, on the CPU or a GPU: the core's scorer, without torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.malloc import large_blocks_mapped, trim
from ralikit.model.facts import PREPROCESS, Facts, parse_facts
from ralikit.printable import error_says, listed
from ralikit.runtimes import (
    Many,
    Observer,
    Outputs,
    Processor,
    Views,
    check_views,
    checked_score,
)
from ralikit.runtimes.digest import Digest, checked_meanwhile, refuse_undigested
from ralikit.runtimes.onnx_file import read_file
from ralikit.runtimes.onnxruntime_import import ort, state

_LARGE = 50e6  # bytes
_PROVIDERS: dict[Processor, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""What a session is offered, the first of which must take it; the others have what that lacks."""
ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    MemoryError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What ONNX Runtime raises; its own exceptions derive from nothing more telling than Exception."""


class OnnxRuntime:
    """An .onnx file that `ralikit export` wrote.

    Args:
        path: The file.
        threads: Threads of one inference; None leaves ONNX Runtime's default (one a core).
        processor: What shall compute; none takes another's place in silence.

    Raises:
        UsageError: If `threads` is below 1, or this installation lacks the processor.
        BundleError: If the file is foreign, damaged, or does not fit its own facts.
    """

    observer: Observer | None = None
    many: Many | None = None

    def __init__(
        self, path: Path, *, threads: int | None = None, processor: Processor = "cpu"
    ) -> None:
        _refuse_absent(processor)
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        self.facts, digest = _facts_and_digest(path)
        if self.facts.kind == PREPROCESS:
            raise BundleError(
                f"{path} makes a scorer's views and gives no score; pass the scorer's own file"
            )
        self.name = f"onnxruntime {ort.__version__}"
        self.note = ""
        self._path = path
        options = ort.SessionOptions()
        options.log_severity_level = 4  # what is wrong is in the exception, once
        options.intra_op_num_threads = threads or 0
        # Threads that spin between photos take the cores that decode the next one.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Without VNNI, x86 sums pairs of 8-bit products in 16 bits, which overflow; there, and only
        # there, this takes kernels that do not.
        options.add_session_config_entry("session.x64quantprecision", "1")
        large = path.stat().st_size > _LARGE
        if large:  # activations planned ahead, and weights in the arena, are held twice
            options.enable_mem_pattern = False
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        with checked_meanwhile(path, digest):
            self._session = self._opened(options, _PROVIDERS[processor], large=large)
        _refuse_fallback(processor, self._session.get_providers())
        self.unit = _unit(self._session.get_providers())
        self._shape = self._checked_shape()
        trim()  # the parsed model, about twice its size; a large photo is decoded next

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the graph fails, or its score is NaN or infinite.
        """
        check_views(views, self._shape, where=self._path)
        score = float(self._run(["score"], views)[0].reshape(-1)[0])
        return checked_score(score, where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the file gives for one photo, by name: the score, and what else it has.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the graph fails.
        """
        check_views(views, self._shape, where=self._path)
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._run(names, views), strict=True))

    def _run(self, names: list[str], views: Views) -> list[NDArray[np.float32]]:
        try:
            return [np.asarray(o) for o in self._session.run(names, {"image": views})]
        except ERRORS as error:
            raise BundleError(f"{self._path} failed: {error_says(error, most=200)}") from error

    def _opened(
        self, options: ort.SessionOptions, providers: Sequence[str], *, large: bool
    ) -> ort.InferenceSession:
        try:
            # Weights are repacked one by one as a session starts: on the heap, the holes that the
            # originals leave would stay, 0.25 GB for 0.3 GB of weights.
            with large_blocks_mapped() if large else contextlib.nullcontext():
                # Falling back, here to the same provider, is announced with print, on stdout.
                return ort.InferenceSession(
                    str(self._path),
                    options,
                    providers=list(providers),
                    enable_fallback=False,
                )
        except ERRORS as error:
            raise BundleError(
                f"{self._path} cannot be loaded: {error_says(error, most=200)}"
            ) from error

    def _checked_shape(self) -> tuple[int, ...]:
        # The graph must be the one its facts speak of, whoever wrote them.
        shape = self.facts.shape
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        fits = (
            [i.name for i in inputs] == ["image"]
            and inputs[0].type == "tensor(uint8)"
            and tuple(inputs[0].shape) == shape
            and [o.name for o in outputs] == list(self.facts.outputs)
            and all(o.type == "tensor(float)" for o in outputs)
            and outputs[0].name == "score"
            and all(extent == 1 for extent in outputs[0].shape)
            and all(
                list(o.shape) == [len(self.facts.reasons)] for o in outputs if o.name == "reasons"
            )
        )
        if not fits:
            raise BundleError(
                f"{self._path} does not fit its own facts: they promise an input 'image', uint8 of "
                f"shape {shape}, and {' and '.join(self.facts.outputs)}"
            )
        return shape


def open_file(
    path: Path, *, threads: int | None = None, processor: Processor = "cpu"
) -> OnnxRuntime:
    """Open a file, as `ralikit.runtimes.Backend` asks for; errors as in `OnnxRuntime`."""
    return OnnxRuntime(path, threads=threads, processor=processor)


def read_facts(path: Path) -> Facts:
    """Read the facts out of an .onnx file without loading its graph.

    Raises:
        BundleError: If the file is missing, damaged, or carries no ralikit metadata.
    """
    facts, digest = _facts_and_digest(path)
    with checked_meanwhile(path, digest):
        return facts


def _facts_and_digest(path: Path) -> tuple[Facts, Digest | None]:
    file = read_file(path)
    facts = parse_facts(file.facts, where=str(path))
    refuse_undigested(facts.written, file.digest, where=path)
    return replace(facts, digested=file.digest is not None), file.digest


def _refuse_absent(processor: Processor) -> None:
    asked, there = _PROVIDERS[processor][0], ort.get_available_providers()
    if asked not in there:
        raise UsageError(
            f"{processor} is {asked}, which onnxruntime {ort.__version__} here lacks (it has "
            f"{listed(there)}); run: pip uninstall onnxruntime, then: pip install onnxruntime-gpu"
        )


def _refuse_fallback(processor: Processor, took: Sequence[str]) -> None:
    # ONNX Runtime leaves a provider out that cannot start, and says so in its log alone.
    asked = _PROVIDERS[processor][0]
    if took[0] != asked:
        raise UsageError(
            f"{processor} is installed and cannot start ({asked}), so {took[0]} would have scored; "
            "are its libraries and the GPU's driver of versions that fit this onnxruntime?"
        )


def _unit(providers: list[str]) -> str:
    # What the session really has, the first one first: none of it is asked for by name alone.
    names = [name.removesuffix("ExecutionProvider").lower() for name in providers]
    return ", then ".join(names)
