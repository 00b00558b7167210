"""The two ways LiteRT runs a file: its interpreter, or a compiled model with a cache of weights.

XNNPACK packs weights into the order that its kernels read. The interpreter does so at every start,
in memory of its own, beside the file's; a compiled model can keep the packed weights in a file,
which is mapped: half the memory, and the next start takes no time.
"""

from __future__ import annotations

import importlib.metadata
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.printable import error_says
from ralikit.quiet import quiet_natively
from ralikit.runtimes import Views

ERRORS = (RuntimeError, ValueError, IndexError, TypeError)
"""What LiteRT raises on a file that it cannot run."""


@dataclass(frozen=True)
class End:
    """One input or output: its shape, and its type as numpy spells it."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Placement:
    """Where a file's operators run.

    Attributes:
        partitions: Pieces handed to XNNPACK; 1 is best, each further one is a detour.
        outside: Builtin names of operators that XNNPACK did not take, in execution order.
    """

    partitions: int
    outside: tuple[str, ...]


class LiteRtEngine(Protocol):
    """A loaded graph with one input, ``image``."""

    inputs: dict[str, End]
    outputs: dict[str, End]

    def run(self, views: Views) -> dict[str, NDArray[np.float32]]:
        """Every output by name, for views that fit the input."""
        ...


class Interpreted:
    """A file under LiteRT's interpreter.

    Args:
        path: The file, checked for damage.
        threads: Threads of the kernels; None leaves LiteRT's default.

    Raises:
        BundleError: If it cannot be loaded.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet_natively():
                # By path: the weights stay mapped instead of being copied.
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                runner = self._interpreter.get_signature_runner()
                inputs, outputs = runner.get_input_details(), runner.get_output_details()
        except ERRORS as error:
            raise BundleError(f"{path} cannot be loaded: {error_says(error)}") from error
        self.inputs, self.outputs = _ends(inputs), _ends(outputs)
        self._into = {name: int(detail["index"]) for name, detail in inputs.items()}
        self._out_of = {name: int(detail["index"]) for name, detail in outputs.items()}

    def run(self, views: Views) -> dict[str, NDArray[np.float32]]:
        """See `LiteRtEngine`."""
        self._interpreter.set_tensor(self._into["image"], views)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(t) for name, t in self._out_of.items()}

    def placement(self) -> Placement:
        """Which operators XNNPACK runs, as the interpreter planned it."""
        return _placement(self._interpreter)


class Cached:
    """A file as a compiled model whose packed weights are kept in a file.

    Args:
        path: The file, checked for damage.
        threads: Threads of the kernels; None leaves LiteRT's default.
        cache: Where the packed weights are kept; written at the first start.

    Raises:
        BundleError: If it cannot be loaded.
    """

    def __init__(self, path: Path, threads: int | None, cache: Path) -> None:
        from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, Options

        cpu = CpuOptions(num_threads=threads or 0, xnnpack_weight_cache_path=str(cache))
        try:
            with quiet_natively():
                model = CompiledModel.from_file(str(path), options=Options(cpu_options=cpu))
                (self._key,) = model.get_signature_list()
                self.inputs = _ends(model.get_input_tensor_details(self._key))
                self.outputs = _ends(model.get_output_tensor_details(self._key))
                into = {n: model.create_input_buffer_by_name(self._key, n) for n in self.inputs}
                out = {n: model.create_output_buffer_by_name(self._key, n) for n in self.outputs}
                # The first write sets up an environment of its own, and says so.
                into["image"].write(np.zeros(self.inputs["image"].shape, np.uint8))
        except (*ERRORS, KeyError) as error:
            raise BundleError(f"{path} cannot be loaded: {error_says(error)}") from error
        # Held nowhere else: LiteRT says on stderr what it takes down, so that is done quietly.
        self._native: dict[str, Any] = {"model": model, "into": into, "out": out}
        weakref.finalize(self, _close, self._native)

    def run(self, views: Views) -> dict[str, NDArray[np.float32]]:
        """See `LiteRtEngine`."""
        into, out = self._native["into"], self._native["out"]
        into["image"].write(views)
        self._native["model"].run_by_name(self._key, into, out)
        return {
            name: out[name].read(int(np.prod(end.shape)), np.float32).reshape(end.shape)
            for name, end in self.outputs.items()
        }


def cache_file(folder: Path, path: Path, digest: str) -> Path:
    """Where a model's packed weights are kept.

    The file's digest and LiteRT's version are in the name: packed weights of another model would
    score without a word, and wrongly.
    """
    version = importlib.metadata.version("ai-edge-litert")
    return folder / f"{path.stem}-{digest[:16]}-litert-{version}.xnnpack"


def _ends(details: dict[str, Any]) -> dict[str, End]:
    return {
        name: End(tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]).name)
        for name, detail in details.items()
    }


def _close(native: dict[str, Any]) -> None:
    with quiet_natively():
        native.clear()


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
