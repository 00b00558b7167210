"""What keeps a program off the neural engine, as far as the file shows it.

The rules are those of Apple's "Deploying Transformers on the Apple Neural Engine" and coremltools'
documentation; whether a phone follows them is not verified here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.runtimes.mil.package import open_package
from ralikit.runtimes.mil.program import load_block

MAX_RANK = 4
FATAL_RANK = 5
MAX_EXTENT = 16384

# Operations that no neural engine is known to run.
_ELSEWHERE = frozenset(
    {
        "cumsum",
        "fill",
        "gather",
        "gather_along_axis",
        "reduce_argmax",
        "reduce_argmin",
        "reverse",
        "shape",
        "topk",
    }
)


@dataclass(frozen=True, kw_only=True)
class Lint:
    """How much of a program suits the neural engine.

    Attributes:
        operations: Operations in all.
        float32: Those that give float32, which the neural engine does not compute: the read-out
            and the casts around it.
        findings: Sentences, each about one operation, that are no part of the float32 read-out.
        fatal: Those about what Core ML runs nowhere.
    """

    operations: int
    float32: int
    findings: tuple[str, ...]
    fatal: tuple[str, ...] = ()


def lint(path: Path) -> Lint:
    """Check a package's float16 part: operations, rank, extents, static shapes.

    Raises:
        BundleError: If it is no readable package.
    """
    return lint_block(load_block(open_package(path)))


def lint_block(block: Any) -> Lint:
    """`lint` of a program's function that is read already."""
    operations = [
        op
        for op in block.operations
        if op.op_type != "const" and not op.op_type.startswith("constexpr_")
    ]
    wide = {op.name for op in operations if _gives(op, "fp32")}
    findings = [s for op in operations if op.name not in wide for s in _findings(op)]
    fatal = [
        f"{op.name}: rank {len(var.shape)}, Core ML has {FATAL_RANK} axes at most"
        for op in operations
        for var in op.outputs
        if len(var.shape) > FATAL_RANK
    ]
    return Lint(
        operations=len(operations),
        float32=len(wide),
        findings=tuple(findings),
        fatal=tuple(fatal),
    )


def _findings(op: Any) -> list[str]:
    found = []
    if op.op_type in _ELSEWHERE:
        found.append(f"{op.name}: {op.op_type} runs on the CPU")
    for var in op.outputs:
        extents = [n if isinstance(n, int) else None for n in (_whole(n) for n in var.shape)]
        if len(extents) > MAX_RANK:
            found.append(f"{op.name}: rank {len(extents)}, at most {MAX_RANK} suit")
        if None in extents:
            found.append(f"{op.name}: its shape is known only at run time")
        if any(n is not None and n > MAX_EXTENT for n in extents):
            found.append(f"{op.name}: an extent of {max(filter(None, extents))} is over 16384")
    return found


def _gives(op: Any, kind: str) -> bool:
    from coremltools.converters.mil.mil import types

    return any(types.builtin_to_string(var.dtype) == kind for var in op.outputs)


def _whole(extent: Any) -> int | None:
    try:
        return int(extent)
    except TypeError:  # a symbol: unknown until run time
        return None
