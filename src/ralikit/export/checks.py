"""What a converted file is looked at for, besides its scores: a few checks of each target's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.errors import ParityError

if TYPE_CHECKING:
    from ralikit.runtimes import Runtime

# Each has ``checks(file, runtime) -> list[Check]``; imported only for a file of that target.
_MODULES = {
    "coreml": "ralikit.export.coreml_checks",
    "tflite": "ralikit.export.tflite_checks",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what, whether it held (None: not checked), and the detail."""

    name: str
    passed: bool | None
    detail: str

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}

    def refuse(self, *, what: str) -> None:
        """Stop an export whose file did not pass.

        Raises:
            ParityError: If it did not.
        """
        if self.passed is False:
            raise ParityError(f"{what}: {self.name}: {self.detail}")


def watch(runtime: Runtime) -> None:
    """Let a runtime that can do so note the range of every activation from now on."""
    start: Callable[[], None] | None = getattr(runtime, "watch", None)
    if start is not None:
        start()


def file_checks(file: Path, runtime: Runtime) -> list[Check]:
    """The checks of the file's own target, after the runtime has scored photos.

    Args:
        file: The exported file.
        runtime: Opened on it; `watch` was called before it scored.
    """
    name = _MODULES.get(str(runtime.facts.get("target")))
    if name is None:
        return []
    found: list[Check] = importlib.import_module(name).checks(file, runtime)
    return found
