"""What runs an artifact: one narrow protocol, one registry, one module per runtime.

A runtime's module is imported when a file of its suffix is opened. Adding a runtime means adding
a module with `open_file` and a line in `BACKENDS`; every list of suffixes and formats is read off
there.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, UsageError
from ralikit.extras import require_installed
from ralikit.model.facts import Facts
from ralikit.printable import shown

if TYPE_CHECKING:
    from ralikit.runtimes.mil.ranges import Ranges

Views = NDArray[np.uint8]
Outputs = dict[str, NDArray[np.float32]]
Many = Callable[[Sequence[Views]], list[float]]
Processor = Literal["cpu", "cuda", "tensorrt"]
"""What computes; all but the first are ONNX Runtime's, on an NVIDIA GPU."""
PROCESSORS: tuple[str, ...] = get_args(Processor)


class Observer(Protocol):
    """Shows what is computed inside a graph, where a runtime can."""

    ranges: Ranges | None
    """Of every activation since `start`; None before."""

    def start(self) -> None:
        """Note the range of every activation from now on."""
        ...


class Runtime(Protocol):
    """A loaded graph: the views of one photo in, its score and whatever else it gives out.

    Attributes:
        name: Runtime and version, e.g. ``"onnxruntime 1.31.1"``.
        facts: What the artifact says of itself.
        note: A caveat a user must see, e.g. that Core ML was evaluated off a Mac, or that operators
            fell back to slower kernels; or "".
        unit: What computes, as records name it: ``"cpu"``, or what the library was given to choose
            among where it does not say which it took.
    """

    name: str
    facts: Facts
    note: str
    unit: str

    @property
    def observer(self) -> Observer | None:
        """Shows the graph's activations; None where the runtime shows none."""
        ...

    @property
    def many(self) -> Many | None:
        """Scores several photos' views in one call; None where a call takes one photo."""
        ...

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale."""
        ...

    def outputs(self, views: Views) -> Outputs:
        """Everything the artifact gives for one photo's views, by the names in its facts."""
        ...


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to run exported files.

    Attributes:
        name: As ``--backend`` takes it.
        format: The files' format, as records name it.
        suffix: What their names end in.
        module: Has ``open_file(path, *, threads) -> Runtime``; and ``processor``, where it has more
            than one.
        stand_in: Another such module, which computes the same files faster, for whoever scores
            hundreds of photos to prove one; "" where `module` is fast enough.
        folder: Whether such an artifact is a folder.
        usual: Whether it runs its files when nobody names a backend.
        needs: Modules that must be installed, looked for before the file is.
        extra: The extra of ralikit that brings them.
        job: What needs them, the start of a sentence.
        processors: What it can compute on when asked.
    """

    name: str
    format: str
    suffix: str
    module: str
    stand_in: str = ""
    folder: bool = False
    usual: bool = True
    needs: tuple[str, ...] = ()
    extra: str = ""
    job: str = ""
    processors: tuple[str, ...] = ("cpu",)

    def open(
        self,
        path: Path,
        *,
        threads: int | None = None,
        to_prove: bool = False,
        processor: Processor = "cpu",
    ) -> Runtime:
        """Open a file of this backend's suffix.

        Args:
            path: The file.
            threads: Threads of the runtime; None leaves its default.
            to_prove: Take the stand-in, where there is one.
            processor: What shall compute.

        Raises:
            UsageError: If the file has another suffix, or nothing here runs it on that processor.
            MissingExtraError: If a library is not installed.
            BundleError: If the file is not one that ralikit wrote.
        """
        if path.suffix != self.suffix:
            raise UsageError(f"{self.name} runs {self.suffix} files, not {path.name}")
        if _waits(path):
            raise BundleError(f"{path} is neither a file nor a folder: nothing can be read from it")
        for module in self.needs:
            require_installed(module, extra=self.extra, job=self.job)
        module = self.stand_in if to_prove and self.stand_in else self.module
        if processor not in self.processors:
            raise UsageError(
                f"{self.name} runs {path.name} on {', '.join(self.processors)} alone, not on "
                f"{shown(str(processor))}: export an .onnx file for a GPU"
            )
        opener = importlib.import_module(module).open_file
        asked = {} if len(self.processors) == 1 else {"processor": processor}
        return cast(Runtime, opener(path, threads=threads, **asked))


def _waits(path: Path) -> bool:
    """Whether it is a pipe or a device, opening which may wait for ever."""
    try:
        return path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError):
        return False


BACKENDS: tuple[Backend, ...] = (
    Backend(
        name="onnxruntime",
        format="onnx",
        suffix=".onnx",
        module="ralikit.runtimes.onnx",
        processors=PROCESSORS,
    ),
    Backend(
        name="litert",
        format="tflite",
        suffix=".tflite",
        module="ralikit.runtimes.litert",
        needs=("ai_edge_litert",),
        extra="tflite",
        job="Running a .tflite file",
    ),
    Backend(
        name="coreml",
        format="coreml",
        suffix=".mlpackage",
        module="ralikit.runtimes.coreml",
        folder=True,
        needs=("coremltools",),
        extra="coreml",
        job="Running a Core ML package",
    ),
    Backend(
        name="coreai",
        format="coreai",
        suffix=".aimodel",
        module="ralikit.runtimes.coreai",
        stand_in="ralikit.runtimes.aimodel.stand_in",
        folder=True,
        needs=("coreai",),
        extra="coreai",
        job="Running a Core AI model",
    ),
    Backend(
        name="openvino",
        format="onnx",
        suffix=".onnx",
        module="ralikit.runtimes.openvino",
        usual=False,
        needs=("openvino",),
        extra="openvino",
        job="Timing with OpenVINO",
    ),
)


def usual_backend(path: Path) -> Backend | None:
    """What runs files of this name; None where nothing does."""
    return next((b for b in BACKENDS if b.usual and b.suffix == path.suffix), None)


def format_of(path: Path) -> str | None:
    """Format of files of this name, as records name it; None where nothing runs them."""
    backend = usual_backend(path)
    return None if backend is None else backend.format


def artifacts_in_words() -> str:
    """What can be opened, for errors: ``"a .onnx or .tflite file, a .mlpackage"``."""
    usual = [b for b in BACKENDS if b.usual]
    files = " or ".join(b.suffix for b in usual if not b.folder)
    return ", ".join([f"a {files} file", *(f"a {b.suffix}" for b in usual if b.folder)])


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


def score_of(outputs: Outputs, *, where: object) -> float:
    """The score among a photo's outputs, if it is one.

    Raises:
        BundleError: If it is NaN or infinite.
    """
    return checked_score(float(outputs["score"].reshape(-1)[0]), where=where)


def checked_reasons(
    values: NDArray[np.float32], count: int, *, where: object
) -> NDArray[np.float32]:
    """A graph's reasons, if they are such, (K,).

    Args:
        values: The output, of any shape with K numbers.
        count: K, as the facts say.
        where: The artifact, named in the error.

    Raises:
        BundleError: If there are more or fewer, or one is no number from 0 to 1.
    """
    flat = values.reshape(-1)
    if len(flat) != count or not bool(((flat >= 0) & (flat <= 1)).all()):
        said = ", ".join(f"{value:g}" for value in flat[:count])
        raise BundleError(
            f"{where} gave {said} instead of {count} reasons from 0 to 1; export it again"
        )
    return flat


def open_runtime(
    path: Path,
    *,
    threads: int | None = None,
    to_prove: bool = False,
    processor: Processor = "cpu",
) -> Runtime:
    """Open an exported file with the usual runtime of its suffix.

    Args:
        path: An exported file (or folder) of a suffix in `BACKENDS`.
        threads: Threads of the runtime; None leaves its default.
        to_prove: For hundreds of photos, take what stands in for a slow runtime; the checks of the
            file's target compare the two.
        processor: What shall compute.

    Raises:
        UsageError: If the suffix belongs to no runtime, or to none of that processor.
        MissingExtraError: If the runtime's library is not installed.
        BundleError: If the file is not one that ralikit wrote.
    """
    backend = usual_backend(path)
    if backend is None:
        raise UsageError(
            f"{path} has no runtime: expected {artifacts_in_words()}, or a bundle folder"
        )
    return backend.open(path, threads=threads, to_prove=to_prove, processor=processor)
