"""Checks of a .tflite: its layers, XNNPACK's share of it, a GPU's rules, and float16's range."""

from __future__ import annotations

import struct
from pathlib import Path

from ralikit.errors import BundleError
from ralikit.export.gate.checks import Check, float16_check, layers_check, npu_check
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.lint import Lint, lint, stored_types
from ralikit.export.targets.tflite.npu import SOURCE, npu_findings
from ralikit.model.facts import Facts
from ralikit.printable import shown
from ralikit.runtimes import Runtime
from ralikit.runtimes.litert import LiteRtRuntime


def checks(file: Path, runtime: Runtime) -> list[Check]:
    """What a file's structure and facts say of how it will run.

    Args:
        file: Checked for damage before.
        runtime: Opened on it.

    Raises:
        BundleError: If its tables point to what is not there: somebody changed it and made its
            digest fit.
    """
    assert isinstance(runtime, LiteRtRuntime)  # noqa: S101 (the suffix says so)
    try:
        return structure_checks(Graph.read(file), runtime)
    except (LookupError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise BundleError(f"{file} cannot be read: {shown(str(error))}") from error


def structure_checks(graph: Graph, runtime: LiteRtRuntime) -> list[Check]:
    """`checks` of a graph that is in memory already."""
    found = lint(graph, runtime.placement())
    return [
        layers_check(stored_types(graph), runtime.facts.layers),
        _xnnpack(found),
        _gpu(found, runtime.facts),
        npu_check(npu_findings(graph), runtime.facts, source=SOURCE),
        float16_check(runtime.facts, meant=_for_float16(runtime.facts)),
    ]


def _xnnpack(found: Lint) -> Check:
    problem = found.problem()
    detail = f"{found.operators} operators, all but the first in one piece"
    return Check("XNNPACK", problem is None, problem or detail)


def _gpu(found: Lint, facts: Facts) -> Check:
    if not found.gpu:
        return Check("GPU delegate", True, "no rule broken; not run on a phone's GPU here")
    return Check("GPU delegate", False if facts.gpu else None, "; ".join(found.gpu))


def _for_float16(facts: Facts) -> bool:
    return facts.gpu or facts.precision == "fp16"
