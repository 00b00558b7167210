"""Converts to a box; see `ralikit.export.targets.target.Converter`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.kinds import Choices, integer_choices
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx.quant import weight_types
from ralikit.export.targets.onnx.target import to_model
from ralikit.export.targets.target import Request
from ralikit.model.facts import dump_facts
from ralikit.model.folded import Folded
from ralikit.runtimes import Views


def types_of(bench: Workbench, precision: str) -> dict[str, str]:
    return layer_types.types_of(bench, precision, activations="tensor")


def choices(bench: Workbench) -> Choices:
    return integer_choices(bench, activations="tensor", times={})


def convert(request: Request, path: Path) -> None:
    model = to_model(request.folded, request.shape, outputs=request.outputs)
    path.write_bytes(b"{}\n" + model.SerializeToString(deterministic=True))


def layers(path: Path) -> dict[str, str]:
    return weight_types(onnx.load_model_from_string(path.read_bytes().partition(b"\n")[2]))


def structure(path: Path, folded: Folded, photos: Sequence[Views]) -> dict[str, Any]:
    return {"box": {"photos": len(photos), "layers": len(typed_layers.weighted(folded))}}


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    graph = path.read_bytes().partition(b"\n")[2]
    path.write_bytes(dump_facts(facts).encode() + b"\n" + graph)


def tools() -> dict[str, str]:
    return {"onnx": onnx.__version__}
