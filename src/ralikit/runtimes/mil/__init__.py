"""Core ML's ML programs without Core ML: read a package, evaluate it over torch on any computer."""

from __future__ import annotations

from ralikit.runtimes.mil.package import Package, open_package
from ralikit.runtimes.mil.program import Program
from ralikit.runtimes.mil.ranges import Ranges

__all__ = ["Package", "Program", "Ranges", "open_package"]
