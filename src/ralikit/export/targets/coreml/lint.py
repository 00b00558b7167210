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
        wishes: Sentences about what Apple's rules for the neural engine (apple/coreai-models) ask
            for and the program does otherwise: inputs and outputs whose last axis fills 64 bytes,
            an input that is not float32, strides that are products of twos and threes, a scale for
            a whole channel instead of blocks.
        fatal: Those about what Core ML runs nowhere.
    """

    operations: int
    float32: int
    findings: tuple[str, ...]
    wishes: tuple[str, ...] = ()
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
        wishes=tuple(_wishes(block)),
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


_ROW = 64
_BYTES = {"fp32": 4, "fp16": 2, "int32": 4}


def _wishes(block: Any) -> list[str]:
    found = []
    for var in block.inputs.values():
        kind = _type(var)
        if kind == "fp32":
            found.append(f"input {var.name}: float32, which a cast on another unit has to narrow")
        found += _short_row("input", var)
    for var in block.outputs:
        found += _short_row("output", var)
    blocks = 0
    for op in block.operations:
        if op.op_type in ("conv", "conv_transpose"):
            strides = [int(n) for n in op.strides.val] if op.strides is not None else [1]
            if not all(_of_twos_and_threes(n) for n in strides):
                found.append(f"{op.name}: a convolution of stride {max(strides)}")
        if op.op_type == "constexpr_blockwise_shift_scale" and op.scale.shape[1] > 1:
            blocks += 1
    if blocks:
        found.append(f"{blocks} weights have scales for blocks of inputs, which suit the GPU")
    return found


def _short_row(what: str, var: Any) -> list[str]:
    last = _whole(var.shape[-1]) if var.shape else 1
    taken = (last or 0) * _BYTES.get(_type(var), 4)
    if taken >= _ROW:
        return []
    return [f"{what} {var.name}: its last axis takes {taken} bytes, {_ROW} are padded to"]


def _type(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    return str(types.builtin_to_string(var.dtype))


def _of_twos_and_threes(number: int) -> bool:
    for factor in (2, 3):
        while number % factor == 0:
            number //= factor
    return number == 1


def _gives(op: Any, kind: str) -> bool:
    from coremltools.converters.mil.mil import types

    return any(types.builtin_to_string(var.dtype) == kind for var in op.outputs)


def _whole(extent: Any) -> int | None:
    try:
        return int(extent)
    except TypeError:  # a symbol: unknown until run time
        return None
