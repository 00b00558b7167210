"""Core ML's ML programs without Core ML: read a package, evaluate it over torch on any computer.

Reading needs no torch; what evaluates is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ralikit.runtimes.mil.package import Package, open_package

if TYPE_CHECKING:
    from ralikit.runtimes.mil.program import Program
    from ralikit.runtimes.mil.ranges import Ranges

__all__ = ["Package", "Program", "Ranges", "open_package"]

_OVER_TORCH = {"Program": "ralikit.runtimes.mil.program", "Ranges": "ralikit.runtimes.mil.ranges"}


def __getattr__(name: str) -> Any:
    if name in _OVER_TORCH:
        return getattr(importlib.import_module(_OVER_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
