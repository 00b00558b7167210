"""TFLite: the folded scorer through litert-torch, tidied, quantised and given its facts."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.metadata
import io
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ralikit.errors import ExportError
from ralikit.export.gate.ranges import PHOTOS, reach
from ralikit.export.quantise import layer_types
from ralikit.export.quantise.int8 import prepare_weights
from ralikit.export.quantise.kinds import Choices, integer_choices
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.target import AUTO, Request
from ralikit.export.targets.tflite import TFLITE
from ralikit.export.targets.tflite import layer_types as mix
from ralikit.export.targets.tflite.graph import Graph
from ralikit.export.targets.tflite.layout import laid_out
from ralikit.export.targets.tflite.lint import gpu_findings, stored_types
from ralikit.export.targets.tflite.names import layers_of, name_layers
from ralikit.export.targets.tflite.tidy import tidy
from ralikit.model.facts import KEY, dump_facts
from ralikit.model.folded import Folded, with_outputs
from ralikit.quiet import quiet_natively
from ralikit.runtimes import Views
from ralikit.runtimes.digest import BLANK, DIGEST_KEY, DIGEST_MARK, sealed

# Time against float in LiteRT, as in `ralikit.export.targets.onnx.target`.
_TIMES = {"int8": 0.36, "int4": 0.36}

_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
_TOOLS = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "flatbuffers")


def types_of(bench: Workbench, precision: str) -> dict[str, str]:
    """See `ralikit.export.targets.target.Converter`."""
    return layer_types.types_of(bench, precision, activations=mix.ACTIVATIONS)


def choices(bench: Workbench) -> Choices:
    """See `ralikit.export.targets.target.Converter`."""
    return integer_choices(bench, activations=mix.ACTIVATIONS, times=_TIMES)


def convert(request: Request, path: Path) -> None:
    """Write the converted file at `path`, without facts yet.

    Raises:
        ExportError: If the precision is unknown, the converter fails, or int8 cannot reach every
            layer of the tower.
    """
    TFLITE.precision(request.precision)
    by_layer = request.precision == AUTO or request.folded.tower.arithmetic == "dynamic"
    graph = _mixed(request) if by_layer else _convolutional(request)
    path.write_bytes(graph.pack())


def _static(request: Request) -> Graph:
    plan = request.bench.static_plan
    graph = to_graph(with_outputs(plan.mixed.folded, request.outputs), request.shape)
    mix.write_static(graph, plan)
    return graph


def _mixed(request: Request) -> Graph:
    if request.precision == layer_types.STATIC:
        return _static(request)
    plan = mix.rounded(request, request.types or types_of(request.bench, request.precision))
    graph = to_graph(with_outputs(plan.folded, request.outputs), request.shape)
    mix.write(graph, plan, dynamic=mix.computes(request))
    return graph


def _convolutional(request: Request) -> Graph:
    from ralikit.export.targets.tflite import quant

    def converted(scorer: Folded) -> Graph:
        return to_graph(with_outputs(scorer, request.outputs), request.shape)

    if request.precision == "fp32":
        return converted(request.folded)
    if request.precision == "fp16":
        return quant.half(converted(request.folded))
    if request.precision == "int8-weights":
        return quant.weights_only(
            converted(prepare_weights(request.folded, request.bench.calibration))
        )
    if request.precision == "int8":
        int8 = request.bench.int8_plan
        return quant.static(converted(int8.folded), int8, request.bench.calibration)
    raise ExportError(
        f"{request.precision} is for vision transformers; a {request.folded.tower.kind} tower "
        "exports to TFLite as fp32, fp16, int8-weights or int8"
    )


def layers(path: Path) -> dict[str, str]:
    """Stored type of every convolution's and linear's weight, read back from the file."""
    return stored_types(Graph.read(path))


def structure(path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
    """Facts of a file's structure, and of what phones that compute in float16 would meet.

    Args:
        path: The converted file.
        folded: The scorer it was made from.
        photos: Views of photos to run it on.

    Returns:
        The number of operators, why a GPU delegate would leave some out, and the largest value that
        anything computes.
    """
    file = Graph.read(path)
    largest = reach(laid_out(folded), photos[:PHOTOS])
    return {
        "operators": len(file.operators),
        "gpu_delegate": gpu_findings(file),
        "activations": largest.facts(),
    }


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put the facts into the metadata, replacing those there, and seal the file's digest."""
    graph = Graph.read(path)
    graph.set_metadata(KEY, dump_facts(facts).encode())
    graph.set_metadata(DIGEST_KEY, BLANK)
    data = graph.pack()
    path.write_bytes(sealed(data, data.index(DIGEST_MARK) + len(DIGEST_MARK)))


def tools() -> dict[str, str]:
    """Versions of the libraries that made the file."""
    return {name: importlib.metadata.version(name) for name in _TOOLS}


def to_graph(scorer: Folded, shape: tuple[int, int, int, int]) -> Graph:
    """Convert a scorer to a float32 graph with NHWC convolutions and layers named as in torch.

    Args:
        scorer: The folded scorer, in evaluation mode.
        shape: Of the input, (V, S, S, 3).

    Raises:
        ExportError: If litert-torch cannot convert it.
    """
    scorer = laid_out(scorer)
    _give_back()
    data = _litert_torch(_Named(scorer).eval(), torch.zeros(shape, dtype=torch.uint8))
    graph = Graph(data)
    del data
    tidy(graph)
    name_layers(graph, layers_of(scorer))
    graph.release()
    return graph


class _Named(nn.Module):
    """The scorer with a named output: what the caller sees in the file's signature."""

    def __init__(self, scorer: Folded) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        given = self.scorer(image)
        if isinstance(given, Tensor):
            return {"score": given}
        return dict(zip(self.scorer.outputs, given, strict=True))


def _give_back() -> None:
    # What rounding freed lies between what it kept; the converter would take as much again.
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)


def _litert_torch(module: nn.Module, example: Tensor) -> bytes:
    # litert-torch prints its progress through rich, MLIR below Python, and torch.export warns of
    # what users cannot change. It also lets Python recurse a hundred times deeper, for good: then
    # deeply nested JSON ends the process instead of being refused.
    deepest = sys.getrecursionlimit()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet_natively():
        warnings.simplefilter("ignore")
        import litert_torch

        try:
            model = litert_torch.convert(
                module, sample_kwargs={"image": example}, lightweight_conversion=True
            )
        except _FAILURES as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ExportError(f"litert-torch cannot convert the model: {reason}") from error
        finally:
            sys.setrecursionlimit(deepest)
        return bytes(model.model_content())
