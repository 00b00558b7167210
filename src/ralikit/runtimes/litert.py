"""Run a .tflite file with LiteRT, after making sure that it is whole.

Native code trusts a flatbuffer's offsets: one flipped bit can read outside the file. So a file
carries a digest of itself, which is checked before anything is parsed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import math
import os
import re
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ralikit.artifact import KEY, parse_facts, preprocess_of
from ralikit.errors import BundleError, UsageError
from ralikit.runtimes import Views, check_views, checked_score

DIGEST_KEY = f"{KEY}.digest"
"""Metadata entry of the digest: `DIGEST_MARK` and 64 hexadecimal digits."""
DIGEST_MARK = b"ralikit-sha256:"
_DIGITS = 64


class LiteRtRuntime:
    """A .tflite file that `ralikit export` wrote; XNNPACK kernels where it has them.

    Not for several threads at once: an interpreter has one set of buffers.

    Args:
        path: The file.
        threads: Threads of the kernels; None leaves LiteRT's default.

    Raises:
        UsageError: If `threads` is below 1.
        BundleError: If the file is foreign, damaged, or does not fit its own facts.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        self.facts: dict[str, Any] = read_facts(path)
        self.name = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
        self.note = ""
        self._path = path
        self._interpreter = _interpreter(path, threads)
        self._input, self._output = self._ends()

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the graph fails, or its score is NaN or infinite.
        """
        check_views(views, self._shape, where=self._path)
        try:
            self._interpreter.set_tensor(self._input, views)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise BundleError(f"{self._path} failed: {_one_line(error)}") from error
        score = float(self._interpreter.get_tensor(self._output).reshape(-1)[0])
        return checked_score(score, where=self._path)

    def placement(self) -> Placement:
        """Which operators XNNPACK runs, as the interpreter planned it."""
        return _placement(self._interpreter)

    def _ends(self) -> tuple[int, int]:
        # The graph must be the one its facts speak of, whoever wrote them.
        wanted = preprocess_of(self.facts, where=str(self._path))
        self._shape = (wanted.views, wanted.size, wanted.size, 3)
        inputs, outputs = (
            self._interpreter.get_input_details(),
            self._interpreter.get_output_details(),
        )
        fits = (
            len(inputs) == len(outputs) == 1
            and tuple(inputs[0]["shape"]) == self._shape
            and inputs[0]["dtype"] is np.uint8
            and math.prod(outputs[0]["shape"]) == 1
            and outputs[0]["dtype"] is np.float32
        )
        if not fits:
            raise BundleError(
                f"{self._path} does not fit its own facts: they promise uint8 views of shape "
                f"{self._shape} and one score"
            )
        return int(inputs[0]["index"]), int(outputs[0]["index"])


@dataclass(frozen=True)
class Placement:
    """Where a file's operators run.

    Attributes:
        partitions: Pieces handed to XNNPACK; 1 is best, each further one is a detour.
        outside: Builtin names of operators that XNNPACK did not take, in execution order.
    """

    partitions: int
    outside: tuple[str, ...]


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts out of a .tflite file without loading its graph.

    Raises:
        BundleError: If the file is missing, damaged, or carries no ralikit metadata.
    """
    data = _read(path)
    check_digest(data, where=str(path))
    return parse_facts(_metadata(data, path), where=str(path))


def check_digest(data: bytes, *, where: str) -> None:
    """Make sure that a file is the one that was written, to the last bit.

    This guards against damage, not against malice: whoever rewrites the file can rewrite the
    digest.

    Raises:
        BundleError: If it is no TFLite file, not ralikit's, or altered since.
    """
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise BundleError(f"{where} is not a TFLite file (it does not begin like one)")
    found = list(re.finditer(re.escape(DIGEST_MARK) + rb"([0-9a-f]{%d})" % _DIGITS, data))
    if len(found) != 1:
        raise BundleError(
            f"{where} carries no ralikit metadata: it was not made by ralikit export, or it is "
            "damaged"
        )
    if sealed(data, found[0].start(1)) != data:
        raise BundleError(
            f"{where} is damaged: it differs from what ralikit export wrote; copy or export it "
            "again"
        )


def sealed(data: bytes, at: int) -> bytes:
    """A file with the digest of everything else written over the 64 bytes at `at`."""
    head, tail = data[:at], data[at + _DIGITS :]
    digest = hashlib.sha256(head)
    digest.update(b"0" * _DIGITS)
    digest.update(tail)
    return head + digest.hexdigest().encode() + tail


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep native libraries' chatter off the terminal; their exceptions still come through.

    It moves file descriptors, as the text is written below Python, and so silences all threads.
    """
    kept: list[tuple[int, int]] = []
    _flush()
    with tempfile.TemporaryFile() as said:
        try:
            for stream in (1, 2):
                with contextlib.suppress(OSError):  # closed already: nothing to keep quiet
                    kept.append((os.dup(stream), stream))
                    os.dup2(said.fileno(), stream)
            yield
        finally:
            _flush()
            for copy, stream in kept:
                os.dup2(copy, stream)
                os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # absent, closed, broken
            stream.flush()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error


def _metadata(data: bytes, path: Path) -> str | None:
    # Only the metadata table is walked; weights are not touched.
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(data, 0)
        for index in range(model.MetadataLength()):
            entry = model.Metadata(index)
            if entry.Name() == KEY.encode():
                return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} is not a valid TFLite file: {_one_line(error)}") from error
    return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _interpreter(path: Path, threads: int | None) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet():
            # By path: the weights stay mapped instead of being copied.
            interpreter = Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError, IndexError) as error:
        raise BundleError(f"{path} cannot be loaded: {_one_line(error)}") from error
    return interpreter


def _placement(interpreter: Any) -> Placement:
    # The list holds replaced operators and their delegates alike: walk back from the output,
    # through the delegate wherever there is one, to see which really run.
    operators = interpreter._get_ops_details()
    writers: dict[int, dict[str, Any]] = {}
    for operator in operators:  # delegates come last and take over
        writers.update({int(tensor): operator for tensor in operator["outputs"]})
    waiting = [int(detail["index"]) for detail in interpreter.get_output_details()]
    running: dict[int, str] = {}
    while waiting:
        operator = writers.get(waiting.pop(), {})
        if operator and operator["index"] not in running:
            running[operator["index"]] = operator["op_name"]
            waiting += [int(tensor) for tensor in operator["inputs"] if tensor >= 0]
    names = [running[index] for index in sorted(running)]
    return Placement(
        partitions=names.count("DELEGATE"), outside=tuple(n for n in names if n != "DELEGATE")
    )
