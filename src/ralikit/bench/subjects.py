"""What a worker can time: exported files, bundles in torch, and a second CPU backend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.errors import UsageError
from ralikit.files import sha256_path, size_bytes
from ralikit.model.bundle import MANIFEST, read_bundle
from ralikit.model.facts import facts_of, preprocess_of
from ralikit.photo.views import Preprocess
from ralikit.runtimes import Runtime, open_runtime

BACKENDS = ("auto", "openvino", "transformers")
_FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml"}


@dataclass(frozen=True)
class Subject:
    """A loaded model with what a record says of it (`ralikit.bench.records.Model`, less input)."""

    runtime: Runtime
    preprocess: Preprocess
    model: dict[str, Any]


def open_subject(path: Path, *, backend: str, threads: int) -> Subject:
    """Open a file or bundle folder for timing.

    Args:
        path: An exported file, or a bundle folder (run in torch, unexported).
        backend: ``"auto"``, ``"openvino"`` (.onnx files only), or ``"transformers"`` (bundle
            folders with a CLIP tower).
        threads: Threads of the runtime.

    Raises:
        UsageError: If the backend does not run such a file.
    """
    if (path / MANIFEST).is_file():
        if backend not in ("auto", "transformers"):
            raise UsageError(f"{backend} does not run bundle folders: {path}")
        return _open_bundle(path, threads, peer=backend == "transformers")
    if backend == "openvino":
        if path.suffix != ".onnx":
            raise UsageError(f"openvino runs .onnx files, not {path.name}")
        from ralikit.extras import require

        require("openvino", extra="openvino", job="Timing with OpenVINO")
        from ralikit.runtimes.openvino import OpenVinoRuntime

        runtime: Runtime = OpenVinoRuntime(path, threads=threads)
    elif backend == "auto":
        runtime = open_runtime(path, threads=threads)
    else:
        raise UsageError(
            f"{backend!r} does not run {path.name}; files take auto or openvino, bundle folders "
            "auto or transformers"
        )
    facts = runtime.facts
    model = facts["model"]
    return Subject(
        runtime=runtime,
        preprocess=preprocess_of(facts, where=str(path)),
        model={
            "name": model["name"],
            "hash": sha256_path(path),
            "bundle": model["bundle"],
            "format": _FORMATS.get(path.suffix, path.suffix.lstrip(".")),
            "precision": facts.get("precision", "unknown"),
            "size_bytes": size_bytes(path),
            "weights": model["weights"],
        },
    )


def split_backend(words: str) -> tuple[str, Path]:
    """``"openvino:a.onnx"`` -> ``("openvino", Path("a.onnx"))``; a path alone: ``"auto"``."""
    backend, colon, rest = words.partition(":")
    if colon and backend in BACKENDS:
        return backend, Path(rest)
    return "auto", Path(words)


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
        preprocess=bundle.info.preprocess,
        model={
            "name": bundle.info.name,
            "hash": bundle.hash,
            "bundle": bundle.hash,
            "format": "torch",
            "precision": "fp32",
            "size_bytes": size_bytes(path / "tower.safetensors")
            + size_bytes(path / "head.safetensors"),
            "weights": facts_of(bundle)["model"]["weights"],
        },
    )
