"""The formats a scorer is exported to; adding one is a package beside these and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ralikit.errors import UsageError
from ralikit.export.targets.coreai import COREAI
from ralikit.export.targets.coreml import COREML
from ralikit.export.targets.onnx import ONNX
from ralikit.export.targets.target import Target
from ralikit.export.targets.tflite import TFLITE

if TYPE_CHECKING:
    from ralikit.export.gate.checks import Check
    from ralikit.runtimes import Runtime

TARGETS: tuple[Target, ...] = (ONNX, TFLITE, COREML, COREAI)
"""All of them, in the order in which `all` exports them."""


def names() -> tuple[str, ...]:
    """Their names, in order."""
    return tuple(target.name for target in TARGETS)


def everyday() -> tuple[Target, ...]:
    """What `all` means here: all but those that it does without and whose libraries are missing."""
    return tuple(target for target in TARGETS if not target.spared or target.installed)


def find(name: str) -> Target | None:
    """The target of a name, or None."""
    return next((target for target in TARGETS if target.name == name), None)


def named(name: str) -> Target:
    """The target of a name.

    Raises:
        UsageError: If there is none.
    """
    target = find(name)
    if target is None:
        raise UsageError(f"there is no target {name!r}; there are {', '.join(names())}, and all")
    return target


def file_checks(file: Path, runtime: Runtime) -> list[Check]:
    """The checks of the file's own target, after the runtime has scored photos.

    Args:
        file: The exported file.
        runtime: Opened on it; `ralikit.export.gate.checks.watch` was called before it scored.
    """
    target = find(runtime.facts.target)
    return [] if target is None else target.checks(file, runtime)
