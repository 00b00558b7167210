"""From bundle to file in three steps: convert it, prove it, and only then give it its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ralikit.drafts import refuse_unwritable
from ralikit.errors import BundleError, ExportError, ParityError
from ralikit.export.gate.checks import watch
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.gate.limits import Limits
from ralikit.export.gate.parity import Parity, assert_parity
from ralikit.export.manifest import manifest_path, manifest_text, publish_pair
from ralikit.export.one_thread import one_thread
from ralikit.export.options import INPUTS, LAYOUTS, PATCHES, PLAIN, ExportOptions
from ralikit.export.order import Order, order
from ralikit.export.targets.target import Request
from ralikit.export.verify import verify
from ralikit.files import refuse_existing, size_bytes
from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of, outputs_facts
from ralikit.model.folded import with_outputs
from ralikit.progress import Tell, named, telling
from ralikit.runtimes import open_runtime
from ralikit.runtimes.digest import declared

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A converted file that nobody has compared yet.

    Attributes:
        order: What it is.
        path: Where it lies for now.
        facts: What it says about itself, but for checks and parity.
    """

    order: Order
    path: Path
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Proven:
    """A draft that scores as it must.

    Attributes:
        draft: The file.
        parity: How it compares with the float32 reference.
        facts: Everything it says about itself.
    """

    draft: Draft
    parity: Parity
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One file that passed and has its name.

    Attributes:
        target: Its format.
        precision: What it was asked to be.
        path: Where it is.
        manifest: Its manifest, beside it.
        size: Its size, bytes.
        parity: How it compares with the float32 reference.
        facts: What it says about itself.
    """

    target: str
    precision: str
    path: Path
    manifest: Path
    size: int
    parity: Parity
    facts: dict[str, Any]


def export(
    bundle: Bundle,
    *,
    target: str,
    precision: str,
    out: Path,
    options: ExportOptions = PLAIN,
    gate: Gate | None = None,
    tell: Tell | None = None,
) -> Exported:
    """Convert a bundle, prove the converted file, and publish it with its manifest.

    Args:
        bundle: The model.
        target: Name of one of `ralikit.export.targets.TARGETS`.
        precision: Name of one of the target's.
        out: Folder to publish into; made if need be.
        options: What else is asked of it.
        gate: From an earlier export of the same bundle, to spare its reference scores.
        tell: Told the stage and the share done, 0..1.

    Raises:
        UsageError: If the target lacks what is asked of it, or the file exists.
        MissingExtraError: If the target's libraries are not installed.
        ParityError: If the converted file drifts over the limit; nothing is published.
        ExportError: If the conversion fails or leaves a layer in another type.
    """
    asked = order(bundle, target=target, precision=precision, out=out, options=options)
    return exported(asked, gate, tell)


def export_all(
    bundle: Bundle,
    *,
    targets: Sequence[str],
    precision: str,
    out: Path,
    options: ExportOptions = PLAIN,
    tell: Tell | None = None,
) -> Iterator[Exported]:
    """Export to several targets, sharing the reference scores; arguments as for `export`.

    Yields:
        Each file as soon as it is published; one that passed stays where a later one fails.
    """
    asked = [
        order(bundle, target=t, precision=precision, out=out, options=options) for t in targets
    ]
    yield from each(asked, exported, tell)


def each(
    asked: Sequence[Order],
    make: Callable[[Order, Gate | None, Tell | None], Made],
    tell: Tell | None,
) -> Iterator[Made]:
    """Make several files of one bundle behind one gate, one after another.

    Args:
        asked: At least one, all into one folder; every one is looked up, and not there yet, before
            any work.
        make: Makes one.
        tell: Told the target, the stage and the share done.

    Raises:
        RalikitError: If the folder cannot be written, before any work.
    """
    for one in asked:
        refuse_existing(one.file, overwrite=one.options.overwrite)
    refuse_unwritable(asked[0].out)
    gate = gate_for(asked[0].bundle, asked[0].options, tell=tell)
    for number, one in enumerate(asked, 1):
        yield make(one, gate, named(tell, f"{one.target.name}, {number} of {len(asked)}"))


def gate_for(bundle: Bundle, options: ExportOptions, *, tell: Tell | None = None) -> Gate:
    """The photos and reference scores that an export with these options is held to."""
    return open_gate(bundle, calibration=options.calibration, thorough=options.thorough, tell=tell)


def exported(asked: Order, gate: Gate | None, tell: Tell | None) -> Exported:
    """Convert, prove and publish one file."""

    def make(path: Path) -> Proven:
        ready = gate or gate_for(asked.bundle, asked.options, tell=tell)
        return prove(convert(asked, ready, path, tell=tell), ready, tell=tell)

    with telling(tell):
        return publish(asked, make)


@one_thread()
def convert(
    asked: Order,
    gate: Gate,
    path: Path,
    *,
    types: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> Draft:
    """Write the converted file and read back what it stores.

    Args:
        asked: What it shall be.
        gate: The graph and its calibration photos.
        path: Where to write.
        types: Stored type of every layer; None: what the precision says.
        tell: Told the stage.

    Raises:
        MissingExtraError: If one of the target's libraries is not installed.
        ExportError: If the conversion fails or leaves a layer in another type.
    """
    converter, precision = asked.target.load(), asked.precision
    if tell is not None:
        tell(f"converting to {precision.name}", 0.0)
    with telling(tell):
        given = {name for name, _ in with_outputs(gate.folded, asked.outputs).named_modules()}
        promised = types or converter.types_of(gate.bench, precision.name)
        promised = {name: kind for name, kind in promised.items() if name in given}
        request = Request(
            bundle=asked.bundle,
            bench=gate.bench,
            precision=precision.name,
            outputs=asked.outputs,
            layout=asked.options.layout,
            input=asked.options.input,
            patches=asked.options.patches,
            types=promised,
        )
        converter.convert(request, path)
    found = converter.layers(path)
    check_layers(promised, found, what=asked.what)
    facts = {
        **facts_of(asked.bundle),
        **gate.facts(asked.outputs),
        **declared(),
        "target": asked.target.name,
        "precision": precision.name,
        **({"meaning": precision.meaning} if precision.meaning else {}),
        **outputs_facts(asked.bundle, asked.outputs),
        "layers": found,
        "tools": converter.tools(),
        "calibration": gate.calibration_facts() if precision.calibrated else None,
        **converter.structure(path, request.folded, gate.photos.views),
        **({"gpu": True} if asked.options.gpu else {}),
        **({"npu": True} if asked.options.npu else {}),
        **({"input": asked.options.input} if asked.options.input != INPUTS[0] else {}),
        **({"patches": asked.options.patches} if asked.options.patches != PATCHES[0] else {}),
        **({"layout": asked.options.layout} if asked.options.layout != LAYOUTS[0] else {}),
    }
    return Draft(order=asked, path=path, facts=facts)


@one_thread()
def prove(
    draft: Draft, gate: Gate, *, limits: Limits | None = None, tell: Tell | None = None
) -> Proven:
    """Run a draft on the gate's photos, and look at it as its target does.

    Args:
        draft: From `convert`; its facts are written into it.
        gate: The photos, the reference.
        limits: How far it may drift; None: what the precision and the weights say.
        tell: Told the stage.

    Raises:
        ParityError: If it does not score, drifts over the limits, or fails a check.
    """
    asked, path = draft.order, draft.path
    tolerance = asked.precision.limits
    limits = limits or (tolerance.random if asked.random else tolerance.trained)
    facts = {**draft.facts, "limits": limits.figures()}
    # A runtime opens no file without facts; the parity figures come once it has run.
    asked.target.load().write_facts(path, facts)
    runtime = open_runtime(path, to_prove=True)
    watch(runtime)
    try:
        parity = gate.compare(runtime, tell=tell)
    except BundleError as error:
        for check in asked.target.checks(path, runtime):  # they may know why
            check.refuse(what=asked.what)
        message = f"{asked.what}: the converted file does not score: {error}"
        raise ParityError(message) from error
    checks = asked.target.checks(path, runtime)
    for check in checks:
        check.refuse(what=asked.what)
    assert_parity(parity, limits, what=asked.what)
    facts |= {"checks": [check.figures() for check in checks], "parity": parity.figures()}
    return Proven(draft=draft, parity=parity, facts=facts)


def publish(asked: Order, make: Callable[[Path], Proven]) -> Exported:
    """Give a proven file its final facts and its name, its manifest beside it; or leave nothing.

    Args:
        asked: What it is.
        make: Writes the draft at a path and proves it.

    Raises:
        UsageError: If the file exists and is not to be replaced.
        ParityError: If it does not open and score with its final facts.
    """
    file = asked.file
    with publish_pair(file, overwrite=asked.options.overwrite) as (path, manifest):
        proven = make(path)
        asked.target.load().write_facts(path, proven.facts)
        verified = verify(path)
        if not verified.passed:
            raise ParityError(f"{asked.what}: {verified.reason}")
        text = manifest_text(path, proven.facts, name=file.name)
        manifest.write_text(text, encoding="utf-8")
    return Exported(
        target=asked.target.name,
        precision=asked.precision.name,
        path=file,
        manifest=manifest_path(file),
        size=size_bytes(file),
        parity=proven.parity,
        facts=proven.facts,
    )


def check_layers(promised: Mapping[str, str], found: dict[str, str], *, what: str) -> None:
    """Nobody asks for int8 and gets a layer in float without a word.

    Args:
        promised: Stored type of every layer, by name.
        found: What the target read back from its file.
        what: Names the export in errors.

    Raises:
        ExportError: If a layer is missing or stored as another type.
    """
    for name, wanted in promised.items():
        if name not in found:
            raise ExportError(f"{what}: layer {name} is not in the converted file")
        if found[name] != wanted:
            raise ExportError(
                f"{what}: layer {name} is stored as {found[name]} where {wanted} was promised"
            )
