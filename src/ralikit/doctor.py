"""What is installed here, what each extra would add, and what the bundled model is."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.errors import RalikitError
from ralikit.models import DEFAULT, bundled_names
from ralikit.typed import typed

_ADDS = {
    "heic": "reads HEIC photos",
    "train": "trains a scorer and evaluates it",
    "teacher": "trains and asks the vision-language teacher",
    "vllm": "describes photos at scale (GPU only)",
    "corpus": "scores tar and Parquet shards into Parquet files",
    "s3": "reads a corpus from S3 and writes its rows there",
    "ray": "scores a corpus on a Ray cluster",
    "hub": "fetches published weights",
    "tensorboard": "shows training curves",
    "wandb": "logs a teacher's training to Weights & Biases",
    "export": "exports a bundle to ONNX",
    "coreml": "exports to Core ML and checks the package",
    "coreai": "exports to Core AI and runs .aimodel files in Apple's runtime",
    "tflite": "exports to TFLite and runs .tflite files",
    "bench": "times exported files and draws the report",
    "docs": "builds the reference site, for who works on ralikit",
    "openvino": "times ONNX files in OpenVINO as well",
    "test": "runs the tests and the style checks",
}
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)(?:\[([A-Za-z0-9,._-]+)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True)
class Extra:
    """One extra of ralikit.

    Attributes:
        name: Its name.
        adds: What it is for.
        installed: Version of each library it needs, None where it is missing.
        command: What installs it.
    """

    name: str
    adds: str
    installed: dict[str, str | None]
    command: str

    @property
    def present(self) -> bool:
        """Whether all of its libraries are installed."""
        return all(self.installed.values())


def examine() -> dict[str, Any]:
    """Everything `ralikit doctor` says, JSON-ready."""
    core, extras = requirements()
    return {
        "ralikit": importlib.metadata.version("ralikit"),
        "python": platform.python_version(),
        "core": {name: _version(name) for name in core},
        "extras": [
            {
                "name": e.name,
                "present": e.present,
                "adds": e.adds,
                "libraries": e.installed,
                "command": e.command,
            }
            for e in extras
        ],
        "model": bundled_model(),
        "others": [bundled_model(name) for name in bundled_names() if name != DEFAULT],
        "platform": platform_facts(),
    }


def requirements() -> tuple[list[str], list[Extra]]:
    """Names of the core's libraries, and the extras, from the installed package's metadata."""
    core: list[str] = []
    direct: dict[str, list[str]] = {}
    nested: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("ralikit") or []:
        match, extra = _REQUIREMENT.match(line), _EXTRA.search(line)
        if match is None:
            continue
        name, inner = match.groups()
        if extra is None:
            core.append(name)
        elif name == "ralikit":
            nested.setdefault(extra[1], []).extend((inner or "").split(","))
        else:
            direct.setdefault(extra[1], []).append(name)

    def libraries(extra: str) -> list[str]:
        inherited = [name for inner in nested.get(extra, []) for name in libraries(inner)]
        return list(dict.fromkeys([*inherited, *direct.get(extra, [])]))

    extras = [
        Extra(
            name=name,
            adds=_ADDS.get(name, ""),
            installed={library: _version(library) for library in libraries(name)},
            command=f"{typed('pip')} install 'ralikit[{name}]'",
        )
        for name in dict.fromkeys([*_ADDS, *direct, *nested])
        if name in direct or name in nested
    ]
    return core, extras


def bundled_model(name: str = DEFAULT) -> dict[str, Any]:
    """A bundled model's identity, scale and terms; ``error`` alone where it cannot be read."""
    from ralikit.files import size_bytes
    from ralikit.models import bundled

    try:
        bundle = bundled(name)
    except RalikitError as error:
        return {"error": str(error)}
    info = bundle.info
    return {
        "name": info.name,
        "hash": bundle.hash,
        "bytes": size_bytes(bundle.root),
        "weights": info.tower.weights,
        "torch_free": bundle.scorer is not None,
        "scale": {
            "minimum": info.scale.minimum,
            "maximum": info.scale.maximum,
            "meaning": info.scale.meaning,
        },
        "tie_width": info.tie_width,
        "tie_width_note": info.tie_width_note,
        # The first names of the two above, for scripts that read them.
        "resolution": info.tie_width,
        "resolution_note": info.tie_width_note,
        "licence": info.licence,
        "notice": info.notice,
    }


def platform_facts() -> dict[str, Any]:
    """Processor, cores, memory (bytes) and system; None for what cannot be found out."""
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "mac": sys.platform == "darwin",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": _memory(),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str | None:
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip() or None
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or None
    match = re.search(r"^(?:model name|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.processor() or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
