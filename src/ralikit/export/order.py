"""What is asked for, looked up: a format, a precision and options that one bundle can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ralikit.errors import ExportError, UsageError
from ralikit.export import targets as registry
from ralikit.export.options import INPUTS, LAYOUTS, OUTPUTS, PATCHES, PLAIN, ExportOptions
from ralikit.export.targets.target import Precision, Target
from ralikit.model.bundle import Bundle
from ralikit.model.towers import tower_class


@dataclass(frozen=True, kw_only=True)
class Order:
    """One file that is asked for, and can be had: made by `order`.

    Attributes:
        bundle: The model.
        target: Its format.
        precision: One of the target's.
        out: Folder to publish into.
        options: What else is asked of it.
        what: Names it in errors.
    """

    bundle: Bundle
    target: Target
    precision: Precision
    out: Path
    options: ExportOptions
    what: str

    @property
    def file(self) -> Path:
        """Where it shall be, e.g. ``mini-int8.onnx``; what is not standard is part of the name."""
        asked = self.options
        parts = [self.bundle.info.name, self.precision.name]
        parts += [asked.layout] if asked.layout != LAYOUTS[0] else []
        parts += [asked.input] if asked.input != INPUTS[0] else []
        parts += [f"{asked.patches}-patches"] if asked.patches != PATCHES[0] else []
        return self.out / f"{'-'.join(parts)}{self.target.suffix}"

    @property
    def random(self) -> bool:
        """Whether the weights are random, and the embedding is what a file is judged by."""
        return self.bundle.info.tower.weights == "random"

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the file gives: what is asked for, and whatever it is judged by."""
        asked = self.options.outputs or tuple(
            name for name in self.bundle.outputs if name in self.target.outputs
        )
        judged = self.random and "embedding" in self.target.outputs
        wanted = {*asked, "embedding"} if judged else {*asked}
        return tuple(name for name in OUTPUTS if name in wanted)


def order(
    bundle: Bundle, *, target: str, precision: str, out: Path, options: ExportOptions = PLAIN
) -> Order:
    """Look up what is asked for, so that what cannot end well is refused before any work.

    Raises:
        UsageError: If there is no such target, or it lacks the precision, an output, the layout, or
            rules for a phone's GPU or NPU where `gpu` or `npu` asks for them.
        ExportError: If the file would be larger than the target's can be.
        MissingExtraError: If its libraries are not installed.
    """
    found = registry.named(target)
    found.require()
    _check_chips(found, options)
    _check_layout(found, bundle, options.layout)
    _check_pixels(found, bundle, options)
    has = precisions_of(found, bundle)
    if precision not in has:
        raise UsageError(
            f"{target} has no precision {precision!r} for a {bundle.info.tower.kind} tower; it has "
            f"{', '.join(has)}{_instead(found, precision)}"
        )
    lacking = [output for output in options.outputs or () if output not in found.outputs]
    if lacking:
        raise UsageError(f"{target} files give {', '.join(found.outputs)}, not {lacking[0]!r}")
    if "reasons" in (options.outputs or ()) and bundle.info.reasons is None:
        raise UsageError(
            f"{bundle.info.name} has no bank of reasons to give; fit one with ralikit train reasons"
        )
    _check_size(found, bundle, precision, has)
    return Order(
        bundle=bundle,
        target=found,
        precision=found.precision(precision),
        out=out,
        options=options,
        what=f"{bundle.info.name} as {target}, {precision}",
    )


def _instead(target: Target, precision: str) -> str:
    asked = next((p for p in target.precisions if p.name == precision), None)
    static = asked is not None and asked.arithmetic is not None
    return " (its int8 has fixed ranges already: that is the static one)" if static else ""


# Of precisions whose stored type says how long a number is at least; others are not foreseen.
_BYTES = {"float32": 4.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}


def _check_size(target: Target, bundle: Bundle, precision: str, has: Sequence[str]) -> None:
    if target.largest is None:
        return
    numbers = bundle.tower_numbers()

    def size(name: str) -> float:
        return numbers * _BYTES.get(target.precision(name).stored, 0.0)

    if size(precision) <= target.largest:
        return
    fit = [name for name in has if 0 < size(name) <= target.largest]
    smaller = f"export it as {' or '.join(fit)}, or" if fit else "export it"
    raise ExportError(
        f"{bundle.info.name} as {target.name}, {precision} would have {size(precision) / 1e9:.1f} "
        f"GB, and one {target.suffix} file holds at most {target.largest / 1e9:.1f}; {smaller} to "
        "another target"
    )


def precisions_of(target: Target, bundle: Bundle) -> tuple[str, ...]:
    """Names of the precisions that a target has for a bundle's tower."""
    tower = tower_class(bundle.info.tower.kind)
    return tuple(
        p.name
        for p in target.precisions
        if (not p.asks_tower or p.stored in tower.small_types)
        and p.arithmetic in (None, tower.arithmetic)
    )


def _check_chips(target: Target, options: ExportOptions) -> None:
    for chip, asked in (("gpu", options.gpu), ("npu", options.npu)):
        if asked and not getattr(target, f"{chip}_rules"):
            able = ", ".join(t.name for t in registry.TARGETS if getattr(t, f"{chip}_rules"))
            raise UsageError(
                f"--{chip} is for {able}: {target.name} has no rules for a phone's {chip.upper()} "
                "to check"
            )


def _check_layout(target: Target, bundle: Bundle, layout: str) -> None:
    if layout == LAYOUTS[0]:
        return
    if layout not in target.layouts:
        able = ", ".join(t.name for t in registry.TARGETS if layout in t.layouts)
        raise UsageError(
            f"--layout {layout} is for {able}: {target.name} lays a transformer out itself"
        )
    kind = bundle.info.tower.kind
    if not tower_class(kind).lies_otherwise:
        raise UsageError(
            f"--layout {layout} is for transformers: a {kind} tower lies that way already"
        )


def _check_pixels(target: Target, bundle: Bundle, options: ExportOptions) -> None:
    if options.input not in target.inputs:
        able = ", ".join(t.name for t in registry.TARGETS if options.input in t.inputs)
        raise UsageError(f"--input {options.input} is for {able}: {target.name} takes bytes")
    if options.patches == PATCHES[0]:
        return
    if options.patches not in target.patches:
        able = ", ".join(t.name for t in registry.TARGETS if options.patches in t.patches)
        raise UsageError(f"--patches {options.patches} is for {able}, not for {target.name}")
    kind = bundle.info.tower.kind
    if not tower_class(kind).lies_otherwise:
        raise UsageError(
            f"--patches {options.patches} is for transformers: a {kind} tower has none"
        )
    if options.layout != LAYOUTS[0]:
        raise UsageError(
            f"--patches {options.patches} goes with --layout {LAYOUTS[0]}: the other layout cuts "
            "them itself"
        )


def with_precision(asked: Order, name: str) -> Order:
    """The same order in another precision of its target; errors still name the one asked for."""
    return replace(asked, precision=asked.target.precision(name))
