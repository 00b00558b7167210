"""What every layer can be stored as on a target, what that costs, and what it does to the score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ralikit.export.gate.gate import Gate
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.hooks import Layer, run_hooked
from ralikit.export.quantise.kinds import FLOAT, Choices
from ralikit.export.search.frontier import Option
from ralikit.export.search.sensitivity import sensitivities
from ralikit.export.targets.target import Converter
from ralikit.progress import Tell
from ralikit.runtimes import Views

PHOTOS = 32
PHOTOS_LARGE = 8
"""Photos that slopes are taken on; each costs a forward and a backward pass."""


def layer_options(
    gate: Gate, converter: Converter, *, tell: Tell | None = None
) -> dict[str, list[Option]]:
    """The options of every layer that a target can store small.

    Args:
        gate: The graph and its calibration photos.
        converter: The target's.
        tell: Told the stage and the share done.
    """
    choices = converter.choices(gate.bench)
    layers = choices.layers
    candidates = {
        name: {k: kind.make(layers[name].weight.detach()) for k, kind in kinds.items()}
        for name, kinds in choices.kinds.items()
    }
    photos = gate.bench.calibration[: PHOTOS_LARGE if gate.large else PHOTOS]
    shifts = sensitivities(choices.folded, photos, candidates, tell=tell)
    work = _multiplications(choices, photos[0])
    options: dict[str, list[Option]] = {}
    for name, layer in layers.items():
        size, whole = 2 * layer.weight.numel(), work[name] * FLOAT
        untouched = Option(kind="float16", size=size, time=whole, shifts=np.zeros(len(photos)))
        options[name] = [
            untouched,
            *(
                Option(kind=k, size=kind.size, time=work[name] * kind.time, shifts=shifts[name][k])
                for k, kind in choices.kinds[name].items()
            ),
        ]
    return options


def _multiplications(choices: Choices, photo: Views) -> dict[str, float]:
    # How often each layer's weights are used on a photo, times their number.
    counts: dict[str, float] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(module: Layer, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            places = output.numel() / len(module.weight)
            counts[name] = places * module.weight.numel()

        return hook

    graph = choices.folded
    handles = [m.register_forward_hook(count(n)) for n, m in choices.layers.items()]
    with torch.inference_mode():
        run_hooked(graph.tower, pixels_of(graph, photo), handles)
    return counts
