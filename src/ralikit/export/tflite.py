"""TFLite: the folded scorer through litert-torch, tidied, quantised and given its facts."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ralikit.artifact import KEY, dump_facts
from ralikit.errors import ExportError
from ralikit.export.graph import FoldedScorer
from ralikit.export.rounding import prepare_int8, prepare_weights
from ralikit.export.target import Request
from ralikit.export.tflite_graph import Graph, name_layers, tidy
from ralikit.runtimes.litert import DIGEST_KEY, DIGEST_MARK, quiet, sealed

NAME = "tflite"
SUFFIX = ".tflite"
PRECISIONS = ("fp32", "fp16", "int8-weights", "int8")
_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
_TOOLS = ("torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert", "flatbuffers")


def convert(request: Request, path: Path) -> None:
    """Write the converted file at `path`, without facts yet.

    Raises:
        ExportError: If the precision is unknown, the converter fails, or int8 cannot reach every
            layer of the tower.
    """
    from ralikit.export import tflite_quant as quant

    views = request.bundle.info.preprocess.views
    size = request.bundle.info.preprocess.size
    shape = (views, size, size, 3)
    if request.precision == "fp32":
        graph = to_graph(request.graph, shape)
    elif request.precision == "fp16":
        graph = quant.half(to_graph(request.graph, shape))
    elif request.precision == "int8-weights":
        rounded = prepare_weights(request.graph, request.calibration)
        graph = quant.weights_only(to_graph(rounded, shape))
    elif request.precision == "int8":
        plan = prepare_int8(request.graph, request.calibration)
        graph = quant.static(to_graph(plan.graph, shape), plan, request.calibration)
    else:
        raise ExportError(
            f"TFLite has no precision {request.precision!r}; it has {', '.join(PRECISIONS)}"
        )
    path.write_bytes(graph.pack())


def layers(path: Path) -> dict[str, str]:
    """Stored type of every convolution's and linear's weight, read back from the file."""
    graph = Graph.read(path)
    makers = graph.producers()
    found = {}
    for operator in graph.weighted():
        weight = int(operator.inputs[1])
        if weight in makers:  # stored small, expanded when the model is loaded
            if graph.kind(makers[weight]) != "DEQUANTIZE":
                continue  # a product of two activations
            weight = int(makers[weight].inputs[0])
        found[graph.name(weight).removesuffix(".weight")] = graph.dtype(weight)
    return found


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Put the facts into the metadata, replacing those there, and seal the file's digest."""
    graph = Graph.read(path)
    graph.set_metadata(KEY, dump_facts(facts).encode())
    graph.set_metadata(DIGEST_KEY, DIGEST_MARK + b"0" * 64)
    data = graph.pack()
    path.write_bytes(sealed(data, data.index(DIGEST_MARK) + len(DIGEST_MARK)))


def tools() -> dict[str, str]:
    """Versions of the libraries that made the file."""
    return {name: importlib.metadata.version(name) for name in _TOOLS}


def to_graph(scorer: FoldedScorer, shape: tuple[int, int, int, int]) -> Graph:
    """Convert a scorer to a float32 graph with NHWC convolutions and layers named as in torch.

    Args:
        scorer: The folded scorer, in evaluation mode.
        shape: Of the input, (V, S, S, 3).

    Raises:
        ExportError: If litert-torch cannot convert it.
    """
    data = _litert_torch(_Named(scorer).eval(), torch.zeros(shape, dtype=torch.uint8))
    graph = Graph(data)
    tidy(graph)
    name_layers(
        graph,
        {
            name: module.weight.detach().numpy()
            for name, module in scorer.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)
        },
    )
    return graph


class _Named(nn.Module):
    """The scorer with a named output: what the caller sees in the file's signature."""

    def __init__(self, scorer: FoldedScorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"score": self.scorer(image)}


def _litert_torch(module: nn.Module, example: Tensor) -> bytes:
    # litert-torch prints its progress through rich, MLIR below Python, and torch.export warns of
    # what users cannot change.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet():
        warnings.simplefilter("ignore")
        import litert_torch

        try:
            model = litert_torch.convert(
                module, sample_kwargs={"image": example}, lightweight_conversion=True
            )
        except _FAILURES as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ExportError(f"litert-torch cannot convert the model: {reason}") from error
        return bytes(model.model_content())
