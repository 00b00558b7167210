"""Checks of a box; see `ralikit.export.targets.target.Checker`."""

from __future__ import annotations

from pathlib import Path

from ralikit.export.gate.checks import Check
from ralikit.runtimes import Runtime


def checks(file: Path, runtime: Runtime) -> list[Check]:
    return [Check("lid", True, f"{file.suffix} of {runtime.facts.model.name} is shut")]
