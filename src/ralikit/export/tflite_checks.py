"""Checks of a .tflite: its layers, XNNPACK's share of it, a GPU's rules, and float16's range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ralikit.export.checks import Check
from ralikit.export.tflite_graph import Graph
from ralikit.export.tflite_lint import Lint, lint, stored_types
from ralikit.runtimes import Runtime
from ralikit.runtimes.litert import LiteRtRuntime

FLOAT16_MAX = 65504.0
"""Largest finite float16."""


def checks(file: Path, runtime: Runtime) -> list[Check]:
    """What a file's structure and facts say of how it will run.

    Args:
        file: Checked for damage before.
        runtime: Opened on it.
    """
    assert isinstance(runtime, LiteRtRuntime)  # noqa: S101 (the suffix says so)
    return structure_checks(Graph.read(file), runtime)


def structure_checks(graph: Graph, runtime: LiteRtRuntime) -> list[Check]:
    """`checks` of a graph that is in memory already."""
    found = lint(graph, runtime.placement())
    return [
        _layers(stored_types(graph), runtime.facts.get("layers")),
        _xnnpack(found),
        _gpu(found, runtime.facts),
        _float16(runtime.facts),
    ]


def _layers(found: dict[str, str], stated: object) -> Check:
    if found == stated:
        kinds = ", ".join(sorted(set(found.values())))
        return Check("layers", True, f"{len(found)}, stored as {kinds}, as stated")
    known = stated if isinstance(stated, dict) else {}
    name = next((n for n in sorted({*known, *found}) if found.get(n) != known.get(n)), "")
    detail = f"{name} is stored as {found.get(name)} where the file says {known.get(name)}"
    return Check("layers", False, detail)


def _xnnpack(found: Lint) -> Check:
    problem = found.problem()
    detail = f"{found.operators} operators, all but the first in one piece"
    return Check("XNNPACK", problem is None, problem or detail)


def _gpu(found: Lint, facts: dict[str, Any]) -> Check:
    if not found.gpu:
        return Check("GPU delegate", True, "no rule broken; not run on a phone's GPU here")
    return Check("GPU delegate", False if facts.get("gpu") else None, "; ".join(found.gpu))


def _float16(facts: dict[str, Any]) -> Check:
    name, seen = "float16", facts.get("activations")
    if not isinstance(seen, dict) or not isinstance(seen.get("largest"), int | float):
        return Check(name, None, "the file does not say how large its values get")
    reached = f"values reach {seen['largest']:.4g} in {seen.get('where')}"
    if seen["largest"] <= FLOAT16_MAX:
        return Check(name, True, f"{reached}, {FLOAT16_MAX:.0f} at most are possible")
    # Only where the file is meant for arithmetic in float16 is that the end of it.
    meant = bool(facts.get("gpu")) or facts.get("precision") == "fp16"
    detail = f"{reached}, beyond float16's {FLOAT16_MAX:.0f}: phones that compute in it give NaN"
    return Check(name, False if meant else None, detail)
