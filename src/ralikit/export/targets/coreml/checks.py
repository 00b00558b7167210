"""Checks of a Core ML package: fit for the neural engine, and within float16's range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ralikit.export.gate.checks import Check
from ralikit.export.targets.coreml.lint import lint_block
from ralikit.export.targets.coreml.names import layers_behind, read_names
from ralikit.runtimes import Runtime
from ralikit.runtimes.mil.package import open_package
from ralikit.runtimes.mil.program import load_block
from ralikit.runtimes.mil.ranges import FP16_MAX, Ranges

_SHOWN = 3


def checks(file: Path, runtime: Runtime) -> list[Check]:
    """The neural-engine lint, and the activations' ranges that the runtime has noted.

    Raises:
        BundleError: If the package cannot be read.
    """
    package = open_package(file)
    block = load_block(package)
    behind = layers_behind(block, read_names(package.metadata, where=str(file)))
    return [engine(block), activations(block, behind, runtime), wishes(block)]


def engine(block: Any) -> Check:
    """Whether the neural engine is known to take the float16 part of a program."""
    found = lint_block(block)
    if found.fatal:
        return Check("neural engine", False, "; ".join(found.fatal[:_SHOWN]))
    half = found.operations - found.float32
    detail = f"{half} of {found.operations} operations give float16"
    if found.findings:
        more = len(found.findings) - _SHOWN
        shown = "; ".join(found.findings[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        return Check("neural engine", True, f"{detail}; kept off it: {shown}")
    return Check("neural engine", True, f"{detail}; nothing in them is known to keep off it")


def wishes(block: Any) -> Check:
    """What Apple's rules for the neural engine ask for and a program does otherwise; no limit."""
    found = lint_block(block).wishes
    if not found:
        return Check("neural engine rules", True, "inputs, outputs, strides, scales as asked for")
    more = len(found) - 2 * _SHOWN
    shown = "; ".join(found[: 2 * _SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return Check("neural engine rules", None, shown)


def activations(block: Any, behind: dict[str, str], runtime: Runtime) -> Check:
    """How far float16 activations reached on the photos that the runtime has scored.

    Args:
        block: The program's function.
        behind: The layer behind each tensor (`ralikit.export.targets.coreml.names.layers_behind`).
        runtime: Watched while it scored.
    """
    name, observer = "activations", runtime.observer
    ranges = None if observer is None else observer.ranges
    if ranges is None:
        return Check(name, None, "Core ML itself ran: it does not show them")

    def place(tensor: str) -> str:
        layer = behind.get(tensor)
        return f"{tensor} (layer {layer})" if layer else tensor

    bad = set(ranges.overflowing())
    if bad:
        first = next(
            tensor for tensor in ranges.dtypes if tensor in bad
        )  # what follows is its ruin
        reach = _reach(ranges, first)
        finite = first not in ranges.broken
        why = (
            f"reaches {reach:.0f}, float16 ends at {FP16_MAX:.0f}"
            if finite
            else "holds NaN or infinity"
        )
        return Check(name, False, f"{place(first)} {why}; export it as fp32")
    tensor, reach = ranges.largest()
    if not tensor:
        return Check(name, True, "none is float16")
    detail = f"float16 reaches {reach:.4g} of {FP16_MAX:.0f}, in {place(tensor)}"
    if reach > FP16_MAX / 2:
        detail += ": more than half, other photos may overflow"
    read = max(
        ((_reach(ranges, t), t) for t in _normed(block) if ranges.dtypes.get(t) == "fp16"),
        default=None,
    )
    if read is not None and read[0] ** 2 > FP16_MAX:
        detail += (
            f"; a layer norm reads {read[0]:.4g}, in {place(read[1])}: its square leaves float16 "
            "where a device sums in it"
        )
    return Check(name, True, detail)


def _normed(block: Any) -> list[str]:
    return [op.x.name for op in block.operations if op.op_type == "layer_norm"]


def _reach(ranges: Ranges, tensor: str) -> float:
    return max(ranges.high[tensor], -ranges.low[tensor])
