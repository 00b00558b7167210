"""A made-up target, all of it in this folder: facts on the first line, ONNX behind it."""

from __future__ import annotations

from ralikit.export.gate import limits
from ralikit.export.targets.target import Precision, Target, automatic
from ralikit.runtimes import Backend

BOXED = Target(
    name="boxed",
    suffix=".boxed",
    modules=("onnx",),
    extra="export",
    job="Export to a box",
    precisions=(
        Precision(name="fp32", stored="float32", computed="float32", limits=limits.FP32),
        automatic(meaning="whatever is small enough"),
    ),
    outputs=("score",),
    converter="made_up_target.target",
    checker="made_up_target.checks",
)
BACKEND = Backend(name="boxed", format="boxed", suffix=".boxed", module="made_up_target.runtime")
