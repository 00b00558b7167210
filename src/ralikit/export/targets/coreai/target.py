"""Core AI: a folded scorer as an .aimodel (iOS 27, macOS 27, and Linux for proof).

The input ``image`` is uint8, (V, S, S, 3), RGB: the pixels as they are. Sums and weights are
float16 up to the tower's last layer; what follows (PCA, norms, softmax, basis) stays float32, as in
Core ML. Codes of compressed weights are those that the Core ML target chooses on photos; Apple's
own compression rounds each weight to its nearest entry, which spoils small depthwise towers.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ralikit.errors import BundleError, ExportError
from ralikit.export.quantise.kinds import Choices
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreai.graph import Plain, counted_names, prepared
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.schemes import Stored
from ralikit.export.targets.target import Request
from ralikit.files import parse_json, size_bytes, to_json
from ralikit.model.facts import KEY, dump_facts
from ralikit.model.folded import Folded, reads_embedding, with_outputs
from ralikit.quiet import quiet_natively
from ralikit.runtimes import Views
from ralikit.runtimes.aimodel.asset import (
    HASH,
    METADATA,
    Asset,
    digest_bytes,
    open_asset,
    seal,
    with_entries,
    write_metadata,
)
from ralikit.runtimes.aimodel.program import Program, Weight
from ralikit.runtimes.mil.silent import quiet_logs

NAMES = "ralikit.weights"
"""Metadata entry: the layer of every weight that the program multiplies with, in its order."""

_EPOCH = "19700101T000000Z"  # Apple's library writes the hour of the export
_SLACK = 1 << 16


def convert(request: Request, path: Path) -> None:
    """Write the folder.

    Raises:
        ExportError: If the graph does not convert, or a weight did not get its type and values.
    """
    folded, stored, _ = coreml.compressed(request)
    _save(request, folded, stored, path)
    _describe(request, path)
    _check(request, folded, stored, path)


def types_of(bench: Workbench, precision: str) -> dict[str, str]:
    """See `ralikit.export.targets.target.Converter`."""
    return coreml.promises(bench.folded, precision)


def choices(bench: Workbench) -> Choices:
    """Every large matrix in each type that fits it, as for Core ML."""
    return coreml.choices(bench)


def structure(path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
    """Nothing beyond the layers: what the program computes is watched while it runs."""
    del path, folded, photos
    return {}


def layers(path: Path) -> dict[str, str]:
    """Read the file back: stored type of every layer's weight, e.g. ``{"tower.stem": "float16"}``.

    Raises:
        BundleError: If it is no file of ours, or damaged.
    """
    asset = open_asset(path)
    return {name: weight.stored for name, weight in _named(asset, Program.load(asset)).items()}


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put the facts into the metadata's entries for whoever made the file, and seal it."""
    seal(with_entries(open_asset(path), {KEY: dump_facts(facts)}))


def tools() -> dict[str, str]:
    """Versions of the libraries that made the file."""
    apple = {name: importlib.metadata.version(name) for name in ("coreai-core", "coreai-torch")}
    return apple | {"torch": str(torch.__version__)}


def _save(request: Request, folded: Folded, stored: Mapping[str, Stored], path: Path) -> None:
    # The converter greets with print, which may go elsewhere than to the terminal's descriptors.
    with quiet_logs(), quiet_natively(), contextlib.redirect_stdout(io.StringIO()):
        import coreai_torch

        # Registers the operations that stand for compressed weights.
        import coreai_torch._compression.custom_layers
        from coreai_torch import TorchConverter

        graph = prepared(
            with_outputs(folded, request.outputs), stored, half=request.precision != "fp32"
        )
        pixels = torch.zeros(request.shape, dtype=torch.uint8)
        try:
            with counted_names():
                exported = torch.export.export(Plain(graph), (pixels,))
                program = (
                    TorchConverter(mode=TorchConverter.Mode.RELEASE)
                    .add_exported_program(
                        exported.run_decompositions(coreai_torch.get_decomp_table()),
                        input_names=["image"],
                        output_names=list(request.outputs),
                    )
                    .to_coreai()
                )
                program.save_asset(_suffixed(path))
        except coreml.CONVERTER_ERRORS as error:
            said = " ".join(str(error).split())
            raise ExportError(f"coreai-torch cannot convert this graph: {said}") from error
    if _suffixed(path) != path:
        _suffixed(path).rename(path)


def _read(step: float | None) -> str:
    return "floats" if step is None else f"int8 in steps of {step:g}"


def _suffixed(path: Path) -> Path:
    # Apple's library writes no other suffix, and drafts may have one.
    return path if path.suffix == ".aimodel" else path.with_name(f"{path.name}.aimodel")


def _describe(request: Request, path: Path) -> None:
    """Describe the model for Xcode and remove what differs from run to run."""
    info = request.bundle.info
    described = with_entries(
        open_asset(path),
        {},
        creationDate=_EPOCH,
        author="ralikit",
        license=info.licence,
        description=f"ralikit {info.name}: image quality score, {info.scale.minimum:g} to "
        f"{info.scale.maximum:g} ({info.scale.meaning})",
    )
    write_metadata(described)
    (path / HASH).write_bytes(digest_bytes(described.program))


def _check(request: Request, folded: Folded, stored: Mapping[str, Stored], path: Path) -> None:
    """Nobody asks for a type and silently gets another, or other numbers than were chosen.

    Raises:
        ExportError: If a layer is missing or holds other values, a type or a size is not the
            promised one, or the program is larger than all weights together.
    """
    asset = open_asset(path)
    found = Program.load(asset).weights()
    table = _matched(found, folded, stored)
    write_metadata(with_entries(asset, {NAMES: to_json(table, indent=None)}))
    sizes = {name: w.size for name, w in zip(table, found, strict=True) if name}
    types = {name: w.stored for name, w in zip(table, found, strict=True) if name}
    promised = request.types or coreml.promises(request.folded, request.precision)
    for name, kind in promised.items():
        if types.get(name) != kind:
            state = f"is stored as {types[name]}" if name in types else "is missing"
            raise ExportError(f"layer {name} {state} in the file; {request.precision} wants {kind}")
    steps = {name: w.input_scale for name, w in zip(table, found, strict=True) if name}
    for name, weight in stored.items():
        if sizes[name] != weight.size:
            raise ExportError(f"layer {name} takes {sizes[name]} bytes, not {weight.size}")
        if steps[name] != weight.input_scale:
            raise ExportError(
                f"layer {name} reads {_read(steps[name])} in the file, not "
                f"{_read(weight.input_scale)}"
            )
    most = _promised_bytes(request, stored)
    there = size_bytes(asset.program)
    if there > 1.02 * most + _SLACK:
        raise ExportError(
            f"the program takes {there} bytes where {most} were promised: something is stored "
            "wider than asked for, or twice"
        )


def _matched(
    found: Sequence[Weight], folded: Folded, stored: Mapping[str, Stored]
) -> list[str | None]:
    """The layer of each weight in the file, by its exact values.

    Raises:
        ExportError: If a layer's weight is in no place.
    """
    wanted = {}
    for name, module in folded.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            wanted[name] = module.weight.detach().numpy()
    table: list[str | None] = [None] * len(found)
    for name, values in wanted.items():
        if name in stored:
            values = stored[name].values()
        for place, weight in enumerate(found):
            if table[place] is None and _equal(weight, values):
                table[place] = name
                break
        else:
            raise ExportError(f"layer {name}: its weight is not in the file with its values")
    return table


def _equal(weight: Weight, values: np.ndarray[Any, Any]) -> bool:
    if weight.values.shape != values.shape:
        return False
    if weight.stored == "float16":
        values = values.astype(np.float16)
    return bool(np.array_equal(weight.values, values.astype(np.float32)))


def _promised_bytes(request: Request, stored: Mapping[str, Stored]) -> int:
    width = 4 if request.precision == "fp32" else 2
    small = {f"{name}.weight" for name in stored}
    rest = sum(
        value.numel() * (4 if reads_embedding(name) else width)
        for name, value in (*request.folded.named_parameters(), *request.folded.named_buffers())
        if name not in small
    )
    return rest + sum(_room(weight) for weight in stored.values())


def _room(weight: Stored) -> int:
    # With integers go offsets, all zero, as many as there are scales.
    scales = 0 if weight.scale is None else weight.scale.size
    return weight.size + 3 * scales


def _named(asset: Asset, program: Program) -> dict[str, Weight]:
    where = asset.root
    try:
        table = parse_json(asset.metadata[NAMES])
    except (KeyError, ValueError) as error:
        raise BundleError(f"{where} does not name its weights: not from ralikit export") from error
    found = program.weights()
    if not isinstance(table, list) or len(table) != len(found):
        raise BundleError(f"{where / METADATA} names other weights than its program has")
    return {str(name): weight for name, weight in zip(table, found, strict=True) if name}
