"""From bundle to file: fold, convert, run the converted file, compare, and only then name it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ralikit.errors import BundleError, ExportError, ParityError, UsageError
from ralikit.export.gate.checks import file_checks, watch
from ralikit.export.gate.gate import Gate
from ralikit.export.gate.parity import LIMITS, RANDOM_LIMITS, Limits, Parity, assert_parity
from ralikit.export.manifest import manifest_path, manifest_text, publish_pair
from ralikit.export.options import LAYOUTS, PLAIN, ExportOptions
from ralikit.export.quantise import layer_types
from ralikit.export.quantise.smoothing import Activations
from ralikit.export.targets.target import CALIBRATED, Mixing, Request, Target, promised_types
from ralikit.export.verify import verify
from ralikit.extras import require
from ralikit.files import refuse_existing, size_bytes
from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of
from ralikit.model.towers import tower_class
from ralikit.progress import Tell, named, telling
from ralikit.quiet import quiet as quiet_natively
from ralikit.runtimes import open_runtime
from ralikit.runtimes.mil.silent import quiet

TARGETS = ("onnx", "tflite", "coreml")
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights")

_NEEDS = {
    "onnx": (("onnx", "onnxscript"), "export", "Export to ONNX"),
    "tflite": (
        ("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
        "tflite",
        "Export to TFLite",
    ),
    "coreml": (("coremltools",), "coreml", "Export to Core ML"),
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One file that passed.

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


def target_of(name: str) -> Target:
    """The target of a name, its libraries found.

    Raises:
        UsageError: If there is no such target.
        MissingExtraError: If its libraries are not installed.
    """
    if name not in TARGETS:
        raise UsageError(f"there is no target {name!r}; there are {', '.join(TARGETS)}, and all")
    modules, extra, job = _NEEDS[name]
    # coremltools and litert-torch greet with notes on versions, some from below Python.
    with quiet(), quiet_natively():
        for module in modules:
            require(module, extra=extra, job=job)
    return cast(Target, importlib.import_module(f"ralikit.export.targets.{name}.target"))


def file_name(
    bundle: Bundle, target: Target, precision: str, options: ExportOptions = PLAIN
) -> str:
    """The exported file's name, e.g. ``mini-int8.onnx``; another layout is part of it."""
    layout = "" if options.layout == LAYOUTS[0] else f"-{options.layout}"
    return f"{bundle.info.name}-{precision}{layout}{target.SUFFIX}"


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
        target: One of `TARGETS`.
        precision: One of the target's.
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
    module = checked_target(target, precision, bundle, options)
    file = out / file_name(bundle, module, precision, options)
    what = f"{bundle.info.name} as {target}, {precision}"
    with publish_pair(file, overwrite=options.overwrite) as (draft, manifest):
        gate = gate or gate_for(bundle, options, tell=tell)
        facts, parity = made(module, precision, options, gate, draft, what=what, tell=tell)
        manifest.write_text(manifest_text(draft, facts, name=file.name), encoding="utf-8")
    return Exported(
        target=target,
        precision=precision,
        path=file,
        manifest=manifest_path(file),
        size=size_bytes(file),
        parity=parity,
        facts=facts,
    )


def export_all(
    bundle: Bundle,
    *,
    targets: Sequence[str] = TARGETS,
    precision: str,
    out: Path,
    options: ExportOptions = PLAIN,
    tell: Tell | None = None,
) -> Iterator[Exported]:
    """Export to several targets, sharing the reference scores; arguments as for `export`.

    Every target's libraries and precisions are looked up before any work; a file that passed stays
    where a later one fails.

    Yields:
        Each file as soon as it is published.
    """
    look_up(bundle, targets, precision, out, options)
    gate = gate_for(bundle, options, tell=tell)
    for number, name in enumerate(targets, 1):
        yield export(
            bundle,
            target=name,
            precision=precision,
            out=out,
            options=options,
            gate=gate,
            tell=named(tell, f"{name}, {number} of {len(targets)}"),
        )


def look_up(
    bundle: Bundle, targets: Sequence[str], precision: str, out: Path, options: ExportOptions
) -> None:
    """Refuse what cannot end well before any work: `checked_target`, and files that exist.

    Raises:
        UsageError: If a target lacks what is asked of it, or its file exists.
        MissingExtraError: If a target's libraries are not installed.
    """
    for name in targets:
        module = checked_target(name, precision, bundle, options)
        file = out / file_name(bundle, module, precision, options)
        refuse_existing(file, overwrite=options.overwrite)


def gate_for(bundle: Bundle, options: ExportOptions, *, tell: Tell | None = None) -> Gate:
    """The photos and reference scores that an export with these options is held to."""
    return Gate(bundle, calibration=options.calibration, thorough=options.thorough, tell=tell)


def checked_target(
    name: str, precision: str, bundle: Bundle, options: ExportOptions = PLAIN
) -> Target:
    """The target of a name, once it is known to have what is asked of it.

    Raises:
        UsageError: If there is no such target, or it lacks the precision, a function, the layout,
            or rules for a phone's GPU where `gpu` asks for them.
        MissingExtraError: If its libraries are not installed.
    """
    module = target_of(name)
    if options.gpu and module.NAME != "tflite":
        raise UsageError(f"--gpu is for tflite: {name} has no rules for a phone's GPU to check")
    _check_layout(name, bundle, options.layout)
    has = precisions_of(module, bundle)
    if precision not in has:
        raise UsageError(
            f"{name} has no precision {precision!r} for a {bundle.info.tower.kind} tower; it has "
            f"{', '.join(has)}"
        )
    # A target that gives more than the score says so in its `FUNCTIONS`.
    given: tuple[str, ...] = getattr(module, "FUNCTIONS", ("score",))
    lacking = [function for function in options.functions if function not in given]
    if lacking:
        raise UsageError(f"{name} files give {', '.join(given)}, not {lacking[0]!r}")
    return module


def _check_layout(target: str, bundle: Bundle, layout: str) -> None:
    if layout == LAYOUTS[0]:
        return
    if target != "coreml":
        raise UsageError(f"--layout {layout} is for coreml: {target} lays a transformer out itself")
    kind = bundle.info.tower.kind
    if not tower_class(kind).lies_otherwise:
        raise UsageError(
            f"--layout {layout} is for transformers: a {kind} tower lies that way already"
        )


def precisions_of(target: Target, bundle: Bundle) -> tuple[str, ...]:
    """The precisions that a target has for a bundle's tower, with ``auto``."""
    # int4 in ONNX and TFLite is for a transformer's wide layers.
    wide = "int4" in tower_class(bundle.info.tower.kind).small_types
    narrow = not isinstance(target, Mixing) and not wide
    return (*(p for p in target.PRECISIONS if not (narrow and p == "int4")), "auto")


def made(
    target: Target,
    precision: str,
    options: ExportOptions,
    gate: Gate,
    draft: Path,
    *,
    what: str,
    types: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    last: bool = True,
    tell: Tell | None,
) -> tuple[dict[str, Any], Parity]:
    """Write the draft, prove it, give it its facts, and prove once more that it opens and scores.

    Args:
        target: What converts.
        precision: One of its precisions, or ``auto`` with `types`.
        options: What else is asked of it; its photos are the gate's.
        gate: The graph, the photos, the reference.
        draft: Where to write.
        what: Names the export in errors.
        types: Stored type of every layer; None: what the precision says.
        limits: How far it may drift; None: what the precision and the weights say.
        last: Whether the draft is to be published as it is: a trial is not opened once more.
        tell: Told the stage.

    Raises:
        ParityError: If it drifts over the limits.
        ExportError: If the conversion fails or leaves a layer in another type.
    """
    calibrates = precision in (
        *(target.CALIBRATED if isinstance(target, Mixing) else CALIBRATED),
        "auto",
    )
    functions, random = options.functions, gate.bundle.info.tower.weights == "random"
    if random and "embedding" in getattr(target, "FUNCTIONS", ()):
        functions = ("score", "embedding")  # what a stand-in is judged by
    if tell is not None:
        tell(f"converting to {precision}", 0.0)
    with telling(tell):
        request = Request(
            bundle=gate.bundle,
            graph=gate.graph,
            precision=precision,
            calibration=gate.calibration.views if calibrates else (),
            functions=functions,
            layout=options.layout,
            types=types or _types(target, precision, gate),
        )
        target.convert(request, draft)
    found = target.layers(draft)
    promises = target.promises if isinstance(target, Mixing) else promised_types
    check_layers(request.types or promises(gate.graph, precision), found, what=what)
    limits = limits or limits_of(precision, random=random)
    facts = {
        **facts_of(gate.bundle),
        **gate.facts(),
        "target": target.NAME,
        "precision": precision,
        **({"meaning": meaning} if (meaning := _meaning(target, precision)) else {}),
        "functions": list(functions),
        "layers": found,
        "tools": target.tools(),
        "calibration": gate.calibration_facts() if calibrates else None,
        "limits": limits.figures(),
        **_structure(target, draft, gate),
        **({"gpu": True} if options.gpu else {}),
        **({"layout": options.layout} if options.layout != LAYOUTS[0] else {}),
    }
    # A runtime opens no file without facts; the parity figures come once it has run.
    target.write_facts(draft, facts)
    runtime = open_runtime(draft)
    watch(runtime)
    try:
        parity = gate.compare(runtime, tell=tell)
    except BundleError as error:
        for check in file_checks(draft, runtime):  # they may know why
            check.refuse(what=what)
        raise ParityError(f"{what}: the converted file does not score: {error}") from error
    checks = file_checks(draft, runtime)
    for check in checks:
        check.refuse(what=what)
    assert_parity(parity, limits, what=what)
    facts["checks"] = [check.figures() for check in checks]
    facts["parity"] = parity.figures()
    if last:
        seal(target, draft, facts, what=what)
    return facts, parity


def seal(target: Target, draft: Path, facts: dict[str, Any], *, what: str) -> None:
    """Give a draft its final facts, and prove that it opens and scores with them.

    Raises:
        ParityError: If `ralikit.export.verify.verify` finds fault with it.
    """
    target.write_facts(draft, facts)
    verified = verify(draft)
    if not verified.passed:
        raise ParityError(f"{what}: {verified.reason}")


def _structure(target: Target, draft: Path, gate: Gate) -> dict[str, Any]:
    # What a target says of its file besides the layers, e.g. what a phone's GPU would leave out.
    describe = getattr(target, "structure", None)
    return {} if describe is None else dict(describe(draft, gate.graph, gate.photos.views))


def _meaning(target: Target, precision: str) -> str | None:
    return target.MEANING.get(precision) if isinstance(target, Mixing) else None


def _types(target: Target, precision: str, gate: Gate) -> dict[str, str] | None:
    # Integer arithmetic spoils some layers of some transformers: those stay in float, by name.
    activations: Activations | None = getattr(target, "ACTIVATIONS", None)
    static = gate.graph.tower.arithmetic == "static"
    if activations is None or precision != "int8" or static:
        return None
    return layer_types.int8_types(gate.graph, gate.calibration.views, activations=activations)


def limits_of(precision: str, *, random: bool = False) -> Limits:
    """How far a file of this precision may drift.

    Precisions beyond the four are weight compressions that some targets add: as int8-weights.

    Args:
        precision: A precision's name.
        random: Whether the weights are random: the scores then mean nothing, and what may not move
            is the embedding.
    """
    if random:
        return RANDOM_LIMITS.get(precision, RANDOM_LIMITS["int4"])
    return LIMITS.get(precision, LIMITS["int8-weights"])


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
