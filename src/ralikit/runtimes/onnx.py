"""Run an .onnx file with ONNX Runtime on the CPU: the core install's scorer, without torch."""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.malloc import large_blocks_mapped, trim
from ralikit.model.facts import KEY, PREPROCESS, Facts, parse_facts
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, checked_score
from ralikit.runtimes.onnxruntime_import import ort, state

_LARGE = 50e6  # bytes
_METADATA = 14  # ModelProto.metadata_props
_LENGTH_DELIMITED = 2
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

    Raises:
        UsageError: If `threads` is below 1.
        BundleError: If the file is foreign, damaged, or does not fit its own facts.
    """

    observer: Observer | None = None
    many: Many | None = None

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        self.facts = read_facts(path)
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
        try:
            # Weights are repacked one by one as a session starts: on the heap, the holes that the
            # originals leave would stay, 0.25 GB for 0.3 GB of weights.
            with large_blocks_mapped() if large else contextlib.nullcontext():
                self._session = ort.InferenceSession(
                    str(path), options, providers=["CPUExecutionProvider"]
                )
        except ERRORS as error:
            raise BundleError(f"{path} cannot be loaded: {_one_line(error)}") from error
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
            raise BundleError(f"{self._path} failed: {_one_line(error)}") from error

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
        )
        if not fits:
            raise BundleError(
                f"{self._path} does not fit its own facts: they promise an input 'image', uint8 of "
                f"shape {shape}, and one 'score'"
            )
        return shape


def open_file(path: Path, *, threads: int | None = None) -> OnnxRuntime:
    """Open a file, as `ralikit.runtimes.Backend` asks for; errors as in `OnnxRuntime`."""
    return OnnxRuntime(path, threads=threads)


def read_facts(path: Path) -> Facts:
    """Read the facts out of an .onnx file without loading its graph.

    Raises:
        BundleError: If the file is missing, damaged, or carries no ralikit metadata.
    """
    try:
        with path.open("rb") as stream, _mapped(stream) as data, memoryview(data) as view:
            text = _metadata(view)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except (IndexError, ValueError) as error:  # cut off; empty or not text
        raise BundleError(f"{path} is damaged or no ONNX file") from error
    return parse_facts(text, where=str(path))


def _mapped(stream: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _metadata(data: memoryview) -> str | None:
    """Value of the `KEY` entry in a serialised ModelProto.

    Raises:
        IndexError: If a field runs past the end: the file is cut off or no protobuf.
    """
    found = None
    for number, start, stop in _fields(data, 0, len(data)):
        if number == _METADATA:
            pair = {n: bytes(data[a:b]) for n, a, b in _fields(data, start, stop)}
            if pair.get(1) == KEY.encode():
                found = pair.get(2, b"").decode()
    return found


def _fields(data: memoryview, at: int, end: int) -> list[tuple[int, int, int]]:
    """Number, start and stop of a message's length-delimited fields; others are stepped over."""
    fields = []
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            if at + length > end:
                raise IndexError
            fields.append((number, at, at + length))
            at += length
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise IndexError
    return fields


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
