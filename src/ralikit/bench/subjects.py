"""What a worker can time: exported files, bundles in torch, and second backends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.errors import UsageError
from ralikit.files import sha256_path, size_bytes
from ralikit.model.bundle import HEAD, read_bundle
from ralikit.models import resolve
from ralikit.photo.views import Preprocess
from ralikit.runtimes import BACKENDS as FILE_BACKENDS
from ralikit.runtimes import Runtime, format_of, open_runtime

PEER = "transformers"
BACKENDS = ("auto", *(b.name for b in FILE_BACKENDS if not b.usual), PEER)


@dataclass(frozen=True)
class Subject:
    """A loaded model with what a record says of it (`ralikit.bench.records.Model`, less input)."""

    runtime: Runtime
    model: dict[str, Any]

    @property
    def preprocess(self) -> Preprocess:
        """From photo to views."""
        return self.runtime.facts.preprocess


def open_subject(path: Path, *, backend: str, threads: int) -> Subject:
    """Open a file or bundle folder for timing.

    Args:
        path: An exported file, a bundle folder (run in torch, unexported), or a bundled model's
            name.
        backend: ``"auto"``, ``"openvino"`` (.onnx files only), or ``"transformers"`` (bundle
            folders with a CLIP tower).
        threads: Threads of the runtime.

    Raises:
        UsageError: If there is no such model, or the backend does not run it.
    """
    found = resolve(path)
    if found.kind == "bundle":
        if backend not in ("auto", PEER):
            raise UsageError(f"{backend} does not run bundle folders: {path}")
        return _open_bundle(found.path, threads, peer=backend == PEER)
    return _open_file(found.path, backend=backend, threads=threads)


def split_backend(words: str) -> tuple[str, Path]:
    """``"openvino:a.onnx"`` -> ``("openvino", Path("a.onnx"))``; a path alone: ``"auto"``."""
    backend, colon, rest = words.partition(":")
    if colon and backend in BACKENDS:
        return backend, Path(rest)
    return "auto", Path(words)


def _open_file(path: Path, *, backend: str, threads: int) -> Subject:
    second = next((b for b in FILE_BACKENDS if b.name == backend and not b.usual), None)
    if second is not None:
        runtime = second.open(path, threads=threads)
    elif backend == "auto":
        runtime = open_runtime(path, threads=threads)
    else:
        raise UsageError(
            f"{backend!r} does not run {path.name}; files take auto or openvino, bundle folders "
            "auto or transformers"
        )
    facts = runtime.facts
    return Subject(
        runtime=runtime,
        model={
            "name": facts.model.name,
            "hash": sha256_path(path),
            "bundle": facts.model.bundle,
            "format": format_of(path),
            "precision": facts.precision or "unknown",
            "size_bytes": size_bytes(path),
            "weights": facts.model.weights,
        },
    )


def _open_bundle(path: Path, threads: int, *, peer: bool) -> Subject:
    from ralikit.extras import require

    torch = require("torch", extra="export", job="Timing a bundle in torch")
    torch.set_num_threads(threads)
    bundle = read_bundle(path)
    if peer:
        from ralikit.bench.peers import TransformersRuntime

        runtime: Runtime = TransformersRuntime(bundle)
    else:
        from ralikit.runtimes.torch import TorchRuntime

        runtime = TorchRuntime(bundle)
    return Subject(
        runtime=runtime,
        model={
            "name": bundle.info.name,
            "hash": bundle.hash,
            "bundle": bundle.hash,
            "format": "torch",
            "precision": "fp32",
            "size_bytes": size_bytes(bundle.tower_file) + size_bytes(path / HEAD),
            "weights": bundle.info.tower.weights,
        },
    )
