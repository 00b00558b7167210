"""ONNX: the folded scorer through torch's exporter, made reproducible and given its facts.

Input ``image``, uint8, (V, S, S, 3), the views of one photo; output ``score``, float32, (1,).
Opset 20 and standard operators alone, so that every ONNX runtime takes the file.
"""

from __future__ import annotations

import importlib.metadata
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]

from ralikit.errors import ExportError
from ralikit.export.gate.ranges import PHOTOS, reach
from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.int8 import prepare_weights
from ralikit.export.quantise.kinds import Choices, integer_choices
from ralikit.export.quantise.smoothing import Activations
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx.facts import with_facts
from ralikit.export.targets.onnx.layer_types import check_sizes, store
from ralikit.export.targets.onnx.quant import (
    halve_weights,
    quantise,
    quantise_weights,
    weight_types,
)
from ralikit.export.targets.onnx.static import store_static
from ralikit.export.targets.target import AUTO, Request
from ralikit.extras import require
from ralikit.model.folded import Folded, with_outputs
from ralikit.runtimes import Views

ACTIVATIONS: Activations = "tensor"
"""What shares a dynamic int8 scale in ONNX Runtime's kernels."""

# Time against float in ONNX Runtime, x86 with VNNI: that of whole files of ViT-L/14-336, which
# linear layers make up nearly all of (benchmarks/results/vitl-host-final.jsonl). Weight-only types
# compute in float.
_TIMES = {"int8": 0.29, "int4": 0.72}

_OPSET = 20
_TOOLS = ("torch", "onnx", "onnxscript", "onnx-ir", "onnxruntime")


def types_of(bench: Workbench, precision: str) -> dict[str, str]:
    """See `ralikit.export.targets.target.Converter`."""
    return layer_types.types_of(bench, precision, activations=ACTIVATIONS)


def choices(bench: Workbench) -> Choices:
    """See `ralikit.export.targets.target.Converter`."""
    return integer_choices(bench, activations=ACTIVATIONS, times=_TIMES)


def convert(request: Request, path: Path) -> None:
    """Write the converted file at `path`, without facts yet.

    Raises:
        ExportError: If torch cannot export the graph, int8 cannot reach every layer, a layer of
            the file holds another number of weights than the scorer's, or the graph on the way to
            it is larger than protobuf writes.
        MissingExtraError: If onnxscript, which torch exports through, is not installed.
    """
    try:
        _write(request, path)
    except EncodeError as error:
        raise ExportError(
            "the graph has more than 2 GB, which no single ONNX file holds; export a smaller tower "
            "or to another target"
        ) from error


def _write(request: Request, path: Path) -> None:
    model = _converted(request)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the converted graph is not valid ONNX: {error}") from error
    path.write_bytes(_serialised(model))


def _converted(request: Request) -> onnx.ModelProto:
    dynamic = request.folded.tower.arithmetic == "dynamic"
    mixed = dynamic and request.precision in layer_types.PRECISIONS
    if dynamic and request.precision == layer_types.STATIC:
        return _static(request)
    if mixed or request.precision == AUTO:
        return _mixed(request)
    shape, outputs = request.shape, request.outputs
    if request.precision == "fp32":
        return to_model(request.folded, shape, outputs=outputs)
    if request.precision == "fp16":
        return halve_weights(to_model(request.folded, shape, outputs=outputs))
    if request.precision == "int8-weights":
        rounded = prepare_weights(request.folded, request.bench.calibration)
        return quantise_weights(to_model(rounded, shape, outputs=outputs))
    if request.precision == "int8":
        plan = request.bench.int8_plan
        return quantise(to_model(plan.folded, shape, outputs=outputs), plan)
    raise ExportError(
        f"ONNX has no precision {request.precision!r} for a {request.folded.tower.kind} tower; "
        "it has fp32, fp16, int8-weights, int8"
    )


def _mixed(request: Request) -> onnx.ModelProto:
    # int8 alone rounds activations; 8-bit and 4-bit weights beside it keep float arithmetic.
    types = request.types or types_of(request.bench, request.precision)
    dynamic = request.folded.tower.arithmetic == "dynamic"
    integers = dynamic and request.precision in ("int8", AUTO) and "int8" in types.values()
    plan = layer_types.prepare_mixed(
        request.bench, types, activations=ACTIVATIONS if integers else None
    )
    model = to_model(plan.folded, request.shape, outputs=request.outputs)
    model = store(model, plan, integers=integers)
    sizes = {name: m.weight.numel() for name, m in typed_layers.weighted(request.folded).items()}
    check_sizes(model, sizes)
    return model


def _static(request: Request) -> onnx.ModelProto:
    plan = request.bench.static_plan
    model = to_model(plan.mixed.folded, request.shape, outputs=request.outputs)
    model = store_static(model, plan)
    sizes = {name: m.weight.numel() for name, m in typed_layers.weighted(request.folded).items()}
    check_sizes(model, sizes)
    return model


def layers(path: Path) -> dict[str, str]:
    """Stored type of every convolution's and linear's weight, read back from the file."""
    return weight_types(onnx.load_model(path))


def structure(path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
    """Facts of a file's structure, and of what runtimes that compute in float16 would meet.

    Args:
        path: The converted file.
        folded: The scorer it was made from.
        photos: Views of photos to run it on.
    """
    operators = len(onnx.load_model(path).graph.node)
    return {"operators": operators, "activations": reach(folded, photos[:PHOTOS]).facts()}


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put the facts into the model's metadata, replacing those there, and seal the file."""
    path.write_bytes(with_facts(onnx.load_model(path), facts))


def tools() -> dict[str, str]:
    """Versions of the libraries that made the file."""
    return {name: importlib.metadata.version(name) for name in _TOOLS}


def to_model(
    folded: Folded,
    shape: tuple[int, int, int, int],
    *,
    outputs: tuple[str, ...] = ("score",),
) -> onnx.ModelProto:
    """Convert a scorer to a float32 ONNX model that is the same bytes every time.

    Weights keep their names in the scorer, e.g. ``tower.stem.weight``.

    Args:
        folded: The folded scorer, in evaluation mode.
        shape: Of the input, (V, S, S, 3).
        outputs: Its outputs, by name.

    Raises:
        ExportError: If torch cannot export it.
        MissingExtraError: If onnxscript is not installed.
    """
    require("onnxscript", extra="export", job="Export to ONNX")
    example = torch.zeros(shape, dtype=torch.uint8)
    with _quiet():
        try:
            program = torch.onnx.export(
                with_outputs(folded, outputs),
                (example,),
                input_names=["image"],
                output_names=list(outputs),
                dynamo=True,
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ExportError(f"torch cannot export the model to ONNX: {reason}") from error
    if program is None:
        raise ExportError("torch gave no ONNX program")
    model: onnx.ModelProto = program.model_proto
    return _tidied(model)


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    # The exporter notes source paths and stack traces at every node: they differ from computer to
    # computer, tell strangers where the sources lay, and are a tenth of a small model's size.
    for owner in (model, model.graph):
        del owner.metadata_props[:]
        owner.doc_string = ""
    for item in (
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        del item.metadata_props[:]
        item.doc_string = ""
    # Shapes of inner tensors are inferred again by whoever needs them.
    del model.graph.value_info[:]
    model.graph.name = "ralikit"
    model.producer_name = "ralikit"
    model.producer_version = ""
    return model


def _serialised(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@contextmanager
def _quiet() -> Iterator[None]:
    # torch.export warns of its own deprecated internals and logs which libraries it could not
    # patch; neither is the user's to mend.
    loggers = [logging.getLogger("torch.onnx"), logging.getLogger("onnxscript")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
