"""Checks of an .onnx file: a valid graph of standard operators, its layers, float16's range."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from ralikit.export.gate.checks import Check, float16_check, layers_check, npu_check
from ralikit.printable import error_says
from ralikit.runtimes import Runtime

_STANDARD = ("", "ai.onnx")


def checks(file: Path, runtime: Runtime) -> list[Check]:
    """What a file's structure and facts say of how it will run.

    Args:
        file: The file; an altered one is found by its hash, before.
        runtime: Opened on it.
    """
    range_check = float16_check(runtime.facts, meant=False)
    if importlib.util.find_spec("onnx") is None:
        return [Check("graph", None, "not looked at: the package onnx is missing"), range_check]
    import onnx

    from ralikit.export.targets.onnx.npu import SOURCE, npu_findings
    from ralikit.export.targets.onnx.quant import weight_types

    model = onnx.load_model(file)
    layers = layers_check(weight_types(model), runtime.facts.layers)
    npu = npu_check(npu_findings(model), runtime.facts, source=SOURCE)
    return [_graph(onnx, model), layers, npu, range_check]


def _graph(onnx: Any, model: Any) -> Check:
    foreign = sorted({n.op_type for n in model.graph.node if n.domain not in _STANDARD})
    if foreign:
        return Check("graph", False, f"operators outside the standard: {', '.join(foreign)}")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return Check("graph", False, error_says(error, most=200))
    opset = next(o.version for o in model.opset_import if o.domain in _STANDARD)
    count = len(model.graph.node)
    return Check("graph", True, f"{count} standard operators, opset {opset}, on the CPU provider")
