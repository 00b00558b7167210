"""Core ML: a folded scorer as an .mlpackage (an ML program, iOS 16 or later).

The input ``image`` is float32, (V, S, S, 3), RGB, 0..255: the pixels the other targets take, as
floats. Core ML has no uint8 arrays, and its image type holds one picture: V views would be V inputs
to fill by hand. A float array is one loop over the bytes that the exact resize has made.

Sums and weights are float16 up to the tower's last weight. What follows (PCA, norms, softmax,
basis) stays float32: it is a few thousand multiplications, and distances between nearly equal unit
vectors are what float16 loses first.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ralikit.errors import ExportError
from ralikit.export.options import INPUTS
from ralikit.export.quantise.kinds import Choices, Kind, on_grid
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreml import compress
from ralikit.export.targets.coreml.layout import linear_patches, neural_engine, planar
from ralikit.export.targets.coreml.names import (
    NAMES,
    constant_names,
    layer_name,
    read_names,
    stored_sizes,
    stored_types,
)
from ralikit.export.targets.coreml.precisions import BY_TYPE, Scheme
from ralikit.export.targets.coreml.schemes import Stored, chosen_layers, plan
from ralikit.export.targets.target import AUTO, Request
from ralikit.files import size_bytes, to_json
from ralikit.model.facts import KEY, dump_facts
from ralikit.model.folded import Folded, reads_embedding, with_outputs
from ralikit.runtimes import Views
from ralikit.runtimes.mil.package import open_package, seal, settle, write_spec
from ralikit.runtimes.mil.program import load_block
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

PLANAR = INPUTS[1]
_JOB = "Export to Core ML"
_OUTPUTS = {
    "score": "The photo's score, one number",
    "embedding": "The tower's embedding, averaged over the views, (1, D)",
    "reasons": "Why the score is low: a number of 0 to 1 for each reason that the facts name, (K)",
}
_SLACK = 1.01
_ALIGNMENT = 1 << 16
_DATE = "com.github.apple.coremltools.conversion_date"
# What Apple's converters raise on a graph they cannot convert: they have no error type of theirs.
CONVERTER_ERRORS = (
    AssertionError,
    AttributeError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


def convert(request: Request, path: Path) -> None:
    """Write the package.

    Raises:
        ExportError: If the graph does not convert, or a weight did not get its type.
        MissingExtraError: If coremltools is not installed.
    """
    ct = coremltools(_JOB)
    folded, stored, schemes = compressed(request)
    if request.layout == "neural-engine":
        folded = neural_engine(folded)
        stored = {name: weight.pointwise() for name, weight in stored.items()}
    if request.patches == "linear":
        folded = linear_patches(folded)
    if request.input == PLANAR:
        folded = planar(folded)
    try:
        with quiet_logs():
            model = _convert(ct, request, folded, stored, schemes)
            model.save(str(path))
    except CONVERTER_ERRORS as error:
        summary = " ".join(str(error).split())
        with quiet_logs():  # what coremltools leaves open would warn whenever it is collected
            traceback.clear_frames(error.__traceback__)
            gc.collect()
        raise ExportError(f"coremltools cannot convert this graph: {summary}") from error
    _describe(request, path)
    _open_to_readers(path)
    _check(path, request, stored)


def _open_to_readers(path: Path) -> None:
    """Give every file of a package the mode of a new file; coremltools keeps one to its owner."""
    mode = (path / "Manifest.json").stat().st_mode & 0o777
    for file in path.rglob("*"):
        if file.is_file():
            file.chmod(mode)


def types_of(bench: Workbench, precision: str) -> dict[str, str]:
    """See `ralikit.export.targets.target.Converter`."""
    return promises(bench.folded, precision)


def choices(bench: Workbench) -> Choices:
    """Every large matrix in each type that fits it.

    Times are not measured off a device: a smaller weight counts as a faster one, because the neural
    engine waits for weights.
    """
    kinds: dict[str, dict[str, Kind]] = {}
    for short, layer in chosen_layers(bench.folded.tower).items():
        name, shape = f"tower.{short}", layer.weight.flatten(1).shape
        kinds[name] = {}
        for kind, scheme in BY_TYPE.items():
            if scheme.fits(*shape):
                size = scheme.size(*shape)
                make = on_grid(partial(compress.scheme_grid, scheme=scheme, name=name))
                kinds[name][kind] = Kind(make, size, size / (2 * layer.weight.numel()))
    return Choices(bench.folded, kinds)


def structure(path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
    """Nothing beyond the layers: what a package computes is watched while it is evaluated."""
    del path, folded, photos
    return {}


def promises(folded: Folded, precision: str) -> dict[str, str]:
    """Stored type of every convolution and linear layer under a precision, by name.

    For ``auto`` the types are in `Request.types`, and this is what it starts from: float16.
    """
    wanted = {
        name: "float32" if reads_embedding(name) or precision == "fp32" else "float16"
        for name, module in folded.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    return wanted | {name: s.stored for name, s in plan(folded, precision).items()}


def layers(path: Path) -> dict[str, str]:
    """Read the package back: stored type of every weight, e.g. ``{"tower.stem": "float16"}``.

    Types are float32, float16, int8, int4, pal6 and pal4 (a palette of 64 or 16 float16 values).

    Raises:
        BundleError: If it is no package of ours, or damaged.
    """
    package = open_package(path)
    names = read_names(package.metadata, where=str(path))
    return stored_types(load_block(package), names)


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put the facts into the user-defined metadata, which compilation keeps, and seal it."""
    package = open_package(path)
    package.spec.description.metadata.userDefined[KEY] = dump_facts(facts)
    seal(package)


def tools() -> dict[str, str]:
    """Versions of the libraries that made the file."""
    ct = coremltools(_JOB)
    return {"coremltools": str(ct.__version__), "torch": str(torch.__version__)}


def compressed(request: Request) -> tuple[Folded, dict[str, Stored], dict[str, Scheme]]:
    """The scorer with the weights it will have, what is stored of each, and by which scheme.

    Raises:
        ExportError: If the precision is auto and no types were chosen.
    """
    if request.precision == AUTO and request.types is None:
        raise ExportError("auto stores layers in types chosen beforehand, and none were given")
    # What a precision says as a whole is planned as a whole.
    chosen = request.types if request.precision == AUTO else None
    schemes = plan(request.folded, request.precision, chosen)
    if not schemes:
        return request.folded, {}, schemes
    return *compress.compress(request.folded, schemes, request.bench.calibration), schemes


def _convert(
    ct: Any,
    request: Request,
    scorer: Folded,
    stored: dict[str, Stored],
    schemes: dict[str, Scheme],
) -> Any:
    from ralikit.export.targets.coreml.passes import MERGE_PADS, STORE_WEIGHTS, restart_names

    restart_names()
    flat = request.input == PLANAR
    views, size, _, channels = request.shape
    example = torch.zeros((views, channels, size, size) if flat else request.shape)
    folded = with_outputs(scorer, request.outputs)
    exported = torch.export.export(folded, (example,)).run_decompositions({})
    minimum_ios = max((scheme.minimum_ios for scheme in schemes.values()), default=16)
    pipeline = ct.PassPipeline.DEFAULT
    names = pipeline.passes
    pipeline.insert_pass(names.index("common::add_fp16_cast"), MERGE_PADS)
    if stored:
        names = {layer_name(v): k for k, v in constant_names(scorer).items()}
        pipeline.append_pass(STORE_WEIGHTS)
        pipeline.set_options(STORE_WEIGHTS, {"table": {names[k]: v for k, v in stored.items()}})
    return ct.convert(
        exported,
        inputs=[
            ct.TensorType(
                name="image",
                shape=tuple(example.shape),
                dtype=np.float16 if flat else np.float32,
            )
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in request.outputs],
        minimum_deployment_target=getattr(ct.target, f"iOS{minimum_ios}"),
        compute_precision=(
            ct.precision.FLOAT32
            if request.precision == "fp32"
            else ct.transform.FP16ComputePrecision(op_selector=tower_selector())
        ),
        pass_pipeline=pipeline,
        skip_model_load=True,
    )


def tower_selector() -> Callable[[Any], bool]:
    """Choose float16 for what leads to the tower's last weight, float32 for what follows.

    The answer is settled at the first call, on the whole graph: the pass that asks rewrites the
    graph as it goes.
    """
    after: set[str] | None = None

    def select(op: Any) -> bool:
        nonlocal after
        if after is None:
            after = _after_tower(op.enclosing_block)
        return op.name not in after

    return select


def _after_tower(block: Any) -> set[str]:
    operations = list(block.operations)
    before: set[str] = set()
    for op in reversed(operations):
        inputs = [
            var
            for value in op.inputs.values()
            if value is not None
            for var in (value if isinstance(value, list | tuple) else (value,))
        ]
        reads_tower = any(var.op and _is_tower_weight(var) for var in inputs)
        leads_on = any(child.name in before for out in op.outputs for child in out.child_ops)
        if (reads_tower or leads_on) and op.op_type != "const":
            before.add(op.name)
    if not before:
        raise ExportError("no tower weights were found in the converted graph")
    return {op.name for op in operations if op.op_type != "const"} - before


def _is_tower_weight(var: Any) -> bool:
    name: str = var.name
    return var.op.op_type == "const" and name.startswith(("p_tower_", "b_tower_", "c_tower_"))


def _describe(request: Request, path: Path) -> None:
    """Describe the model for Xcode and remove what differs from run to run."""
    package = open_package(path)
    description = package.spec.description
    info = request.bundle.info
    views, size = info.preprocess.views, info.preprocess.size
    description.metadata.shortDescription = (
        f"ralikit {info.name}: image quality score, {info.scale.minimum:g} to "
        f"{info.scale.maximum:g} ({info.scale.meaning})"
    )
    description.metadata.license = info.licence
    flat = request.input == PLANAR
    shape = f"({views}, 3, {size}, {size})" if flat else f"({views}, {size}, {size}, 3)"
    for feature in description.input:
        feature.shortDescription = f"{views} view(s) of one photo, {shape}, RGB as floats, 0 to 255"
    for feature in description.output:
        feature.shortDescription = _OUTPUTS[feature.name]
    description.metadata.userDefined.pop(_DATE, None)
    description.metadata.userDefined[NAMES] = to_json(constant_names(request.folded), indent=None)
    _drop_dates(package.spec.mlProgram)
    write_spec(package)
    settle(path)


def _drop_dates(program: Any) -> None:
    info = program.attributes["buildInfo"]
    entries = info.immediateValue.dictionary.values
    kept = [e for e in entries if _DATE not in _words(e.key)]
    del entries[:]
    entries.extend(sorted(kept, key=lambda e: tuple(_words(e.key))))


def _words(value: Any) -> list[str]:
    return list(value.immediateValue.tensor.strings.values)


def _check(path: Path, request: Request, stored: dict[str, Stored]) -> None:
    """Nobody asks for a type and silently gets another, or its name with the bytes of a wider one.

    Raises:
        ExportError: If a weight's stored type or size is not the one promised, or the weight file
            is larger than all of them together.
    """
    package = open_package(path)
    names = read_names(package.metadata, where=str(path))
    block = load_block(package)
    found, sizes = stored_types(block, names), stored_sizes(block, names)
    for name, kind in (request.types or promises(request.folded, request.precision)).items():
        if found.get(name) != kind:
            state = f"is stored as {found[name]}" if name in found else "is missing"
            raise ExportError(
                f"layer {name} {state} in the package; {request.precision} wants {kind}"
            )
    for name, weight in stored.items():
        if sizes[name] != weight.size:
            raise ExportError(
                f"layer {name} takes {sizes[name]} bytes in the package, not {weight.size}"
            )
    promised = _promised_bytes(request, stored)
    there = size_bytes(package.weights)
    if there > _SLACK * promised + _ALIGNMENT:
        raise ExportError(
            f"the weights take {there} bytes in the package where {promised} were promised: "
            "something is stored wider than asked for, or twice"
        )


def _promised_bytes(request: Request, stored: dict[str, Stored]) -> int:
    width = 4 if request.precision == "fp32" else 2
    small = {f"{name}.weight" for name in stored}
    rest = sum(
        value.numel() * (4 if reads_embedding(name) else width)
        for name, value in (*request.folded.named_parameters(), *request.folded.named_buffers())
        if name not in small
    )
    return rest + sum(weight.size for weight in stored.values())
