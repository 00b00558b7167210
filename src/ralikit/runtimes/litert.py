"""Run a .tflite file with LiteRT, after making sure that it is whole.

Native code trusts a flatbuffer's offsets: one flipped bit can read outside the file. So a file
carries a digest of itself, which is checked before anything is parsed.
"""

from __future__ import annotations

import importlib.metadata
import math
import mmap
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ralikit.errors import BundleError, UsageError
from ralikit.model.facts import KEY, Facts, parse_facts
from ralikit.printable import error_says, shown
from ralikit.runtimes import Many, Observer, Outputs, Views, check_views, score_of
from ralikit.runtimes.digest import DIGEST_MARK, DIGITS, Digest, damaged, digest_of
from ralikit.runtimes.litert_engine import (
    ERRORS,
    Cached,
    End,
    Interpreted,
    Placement,
    cache_file,
)

_PIECE = 1 << 20
SLOWER = "part of it ran on plain kernels, which are slower"


class LiteRtRuntime:
    """A .tflite file that `ralikit export` wrote; XNNPACK kernels where it has them.

    Not for several threads at once: an interpreter has one set of buffers.

    Args:
        path: The file.
        threads: Threads of the kernels; None leaves LiteRT's default.
        weight_cache: Folder for packed weights, made if need be: with it a large file takes half
            the memory, and less time to start from the second start on. None: none is kept.

    Raises:
        UsageError: If `threads` is below 1.
        BundleError: If the file is foreign, damaged, or does not fit its own facts.
    """

    observer: Observer | None = None
    many: Many | None = None

    def __init__(
        self, path: Path, *, threads: int | None = None, weight_cache: Path | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        digest = check_digest(path)
        self.facts = _facts(path)
        self.name = f"ai-edge-litert {importlib.metadata.version('ai-edge-litert')}"
        self.unit = "cpu"
        self._path = path
        self._threads = threads
        self._engine = _engine(path, threads, weight_cache, digest)
        self._shape = self._checked_shape()
        self.note = self._fallen_back()

    def run(self, views: Views) -> float:
        """Score one photo's views, (V, S, S, 3) uint8 RGB, on the artifact's scale.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the graph fails, or its score is NaN or infinite.
        """
        return score_of(self.outputs(views), where=self._path)

    def outputs(self, views: Views) -> Outputs:
        """Everything the file gives for one photo, by name: the score, and what else it has.

        Raises:
            UsageError: If the views have another shape or type.
            BundleError: If the graph fails.
        """
        check_views(views, self._shape, where=self._path)
        try:
            return self._engine.run(views)
        except ERRORS as error:
            raise BundleError(f"{self._path} failed: {error_says(error)}") from error

    def placement(self) -> Placement:
        """Which operators XNNPACK runs, as the interpreter plans it.

        Raises:
            BundleError: If the file names its tensors or operators in no text.
        """
        engine = self._engine
        if not isinstance(engine, Interpreted):
            engine = Interpreted(self._path, self._threads)
        try:
            return engine.placement()
        except ERRORS as error:
            raise BundleError(f"{self._path} cannot be read: {error_says(error)}") from error

    def _fallen_back(self) -> str:
        # A compiled model is asked by name alone: a second interpreter would take its memory again.
        if not isinstance(self._engine, Interpreted):
            return ""
        placement = self.placement()
        if placement.partitions <= 1 and len(placement.outside) <= 1:
            return ""
        pieces = f"in {placement.partitions} pieces" if placement.partitions else "nowhere"
        outside = ", ".join(sorted({shown(name) for name in placement.outside})) or "none"
        return f"{SLOWER}: XNNPACK runs it {pieces}, and leaves out: {outside}"

    def _checked_shape(self) -> tuple[int, ...]:
        # The graph must be the one its facts speak of, whoever wrote them.
        shape, promised = self.facts.shape, self.facts.outputs
        inputs, outputs = self._engine.inputs, self._engine.outputs
        fits = (
            inputs == {"image": End(shape, "uint8")}
            and sorted(outputs) == sorted(promised)
            and all(end.dtype == "float32" for end in outputs.values())
            and "score" in outputs
            and math.prod(outputs["score"].shape) == 1
            and ("reasons" not in outputs or outputs["reasons"].shape == (len(self.facts.reasons),))
        )
        if not fits:
            raise BundleError(
                f"{self._path} does not fit its own facts: they promise uint8 views of shape "
                f"{shape} and {' and '.join(promised)}"
            )
        return shape


def _engine(
    path: Path, threads: int | None, weight_cache: Path | None, digest: str
) -> Interpreted | Cached:
    if weight_cache is None:
        return Interpreted(path, threads)
    try:
        weight_cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot keep packed weights in {weight_cache}: {error.strerror or error}"
        ) from error
    return Cached(path, threads, cache_file(weight_cache, path, digest))


def open_file(path: Path, *, threads: int | None = None) -> LiteRtRuntime:
    """Open a file, as `ralikit.runtimes.Backend` asks for; errors as in `LiteRtRuntime`."""
    return LiteRtRuntime(path, threads=threads)


def read_facts(path: Path) -> Facts:
    """Read the facts out of a .tflite file without loading its graph.

    Raises:
        BundleError: If the file is missing, damaged, or carries no ralikit metadata.
    """
    check_digest(path)
    return _facts(path)


def _facts(path: Path) -> Facts:
    return replace(parse_facts(_metadata(path), where=str(path)), digested=True)


def check_digest(path: Path) -> str:
    """Make sure that a file is the one that was written, to the last bit.

    The file is read in pieces: a large model must not pass through memory twice.

    Returns:
        The digest, 64 hexadecimal digits.

    Raises:
        BundleError: If it cannot be read, is no TFLite file, not ralikit's, or altered since.
    """
    try:
        with path.open("rb") as file:
            return _checked_digest(file, where=str(path))
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error


def _checked_digest(file: BinaryIO, *, where: str) -> str:
    if file.read(8)[4:] != b"TFL3":
        raise BundleError(f"{where} is not a TFLite file (it does not begin like one)")
    found = _find_digests(file)
    if len(found) != 1:
        raise BundleError(
            f"{where} carries no ralikit metadata: it was not made by ralikit export, or it is "
            "damaged"
        )
    (digest,) = found
    if digest_of(file, digest.at) != digest.digits:
        raise damaged(where)
    return digest.digits


def _find_digests(file: BinaryIO) -> set[Digest]:
    # Every stored digest; pieces overlap by more than a mark and a digest.
    pattern = re.compile(re.escape(DIGEST_MARK) + rb"([0-9a-f]{%d})" % DIGITS)
    overlap = len(DIGEST_MARK) + DIGITS
    found: set[Digest] = set()
    start, kept = 0, b""
    file.seek(0)
    while piece := file.read(_PIECE):
        data = kept + piece
        for match in pattern.finditer(data):
            found.add(Digest(start - len(kept) + match.start(1), match.group(1).decode()))
        start += len(piece)
        kept = data[-overlap:]
    return found


def _metadata(path: Path) -> str | None:
    # Only the metadata table is walked; weights are not touched.
    from ai_edge_litert import schema_py_generated as schema

    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = schema.Model.GetRootAs(data, 0)
            entries = [model.Metadata(index) for index in range(model.MetadataLength())]
            ours = [entry for entry in entries if entry.Name() == KEY.encode()]
            if len(ours) > 1:
                raise BundleError(f"{path} carries ralikit metadata twice: it was altered")
            for entry in ours:
                return bytes(model.Buffers(entry.Buffer()).DataAsNumpy()).decode()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{path} is not a valid TFLite file: {error_says(error)}") from error
    return None
