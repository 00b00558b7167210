"""A tower's weights in several types: which layer gets which, and the values they then have.

Of a transformer only the encoder's linear layers are stored small; the patch convolution, the
position embedding, the projection and the head stay float32: together a fortieth of the weights,
and errors there reach every token or are the last thing before the score. int8 activations are
dynamic: their scale comes with every photo. Layers whose output int8 would still spoil after
smoothing keep float16 weights and float arithmetic.

A convolutional tower takes part with its weights alone: float16 or int8, layer by layer, arithmetic
in float. (Its int8 arithmetic is planned as a whole, in `ralikit.export.quantise.int8`.)
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from torch import Tensor

from ralikit.errors import ExportError
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.gptq import Spread, compensated
from ralikit.export.quantise.hooks import Layer, is_matrix, round_in_step
from ralikit.export.quantise.int8 import round_weight, weight_steps
from ralikit.export.quantise.moments import Spreads
from ralikit.export.quantise.smoothing import Activations, Smoothing, divide
from ralikit.export.quantise.typed_layers import (
    SPOILT,
    Mixed,
    calibration_views,
    known_types,
    small_layers,
    uniform_types,
    weighted,
)
from ralikit.export.quantise.weight_grids import int8_grid, linear_grid
from ralikit.export.quantise.workbench import Workbench
from ralikit.model.folded import Folded, reads_embedding
from ralikit.runtimes import Views

PRECISIONS = ("int8", "int8-weights", "int4")
"""Precisions that store a transformer's encoder small."""

STATIC = "int8-static"
"""The precision whose activations have ranges from calibration photos, for NPUs."""


def types_of(bench: Workbench, precision: str, *, activations: Activations) -> dict[str, str]:
    """Stored type of every layer under a precision that ONNX and TFLite share; head float32.

    Args:
        bench: The scorer, with photos where a transformer's int8 is asked for.
        precision: Its name; ``"auto"``: what layers have that are not up for choice.
        activations: What shares a dynamic scale where the file runs.

    Raises:
        ExportError: As `int8_types`.
    """
    dynamic = bench.folded.tower.arithmetic == "dynamic"
    if precision == "auto":
        return uniform_types(bench.folded, "float16")
    if dynamic and precision == STATIC:
        return dict(bench.static_plan.mixed.types)
    if dynamic and precision == "int8":
        return int8_types(bench, activations=activations)
    if dynamic and precision in PRECISIONS:
        return uniform_types(bench.folded, "int4" if precision == "int4" else "int8")
    tower = {"fp32": "float32", "fp16": "float16", "int8": "int8", "int8-weights": "int8"}
    return {
        name: "float32" if reads_embedding(name) else tower[precision]
        for name in weighted(bench.folded)
    }


def int8_types(bench: Workbench, *, activations: Activations = "tensor") -> dict[str, str]:
    """int8 for every encoder layer whose output survives it, float16 for the others.

    Args:
        bench: A transformer's, with photos.
        activations: What shares a scale where the file runs.

    Raises:
        ExportError: If there are no photos, or int8 would spoil every layer.
    """
    types = uniform_types(bench.folded, "int8")
    errors = _errors(bench.smoothing(activations))
    spoilt = {n for n, e in errors.items() if e > SPOILT}
    if len(spoilt) == len(small_layers(bench.folded)):
        raise ExportError(
            "int8 would spoil every layer of this tower on these photos: export it as fp16"
        )
    return types | dict.fromkeys(spoilt, "float16")


def prepare_mixed(
    bench: Workbench,
    types: Mapping[str, str],
    *,
    int4_block: int | None = 32,
    activations: Activations | None = "tensor",
) -> Mixed:
    """Even out channels, then put weights on the grids of their types, layer after layer.

    int4 weights go where GPTQ puts them (Frantar et al. 2022, section 3), and so do int8 matrices
    where arithmetic stays float. Where it does not, int8 weights go to their nearest value: GPTQ
    takes minutes there, and did not bring scores closer (docs/export.md). Biases take the mean
    error that is left (Nagel et al. 2019, section 4.2).

    Args:
        bench: The scorer and photos.
        types: Stored type of every layer by its name in the scorer: float32, float16, int8, int4.
        int4_block: Inputs that share a step of an int4 weight; None: all of an output's.
        activations: What shares a scale where the file runs; None: activations stay float, and
            channels as they are.

    Raises:
        ExportError: If a type is unknown, there are no photos, or blocks do not divide a layer.
    """
    layers = small_layers(bench.folded)
    for name, kind in types.items():
        known = known_types(bench.folded) if name in layers else ("float32", "float16")
        if kind not in known:
            raise ExportError(f"layer {name} cannot be stored as {kind}: {', '.join(known)}")
    rounded, errors = evened(bench, activations)
    steps: dict[str, Tensor] = {}
    small = {n: types.get(n, "float32") for n in layers if types.get(n) in ("int8", "int4")}
    if small:
        _round_in_step(rounded, small, bench.calibration, int4_block, steps, activations)
    return Mixed(folded=rounded, types=dict(types), steps=steps, errors=errors)


def evened(bench: Workbench, activations: Activations | None) -> tuple[Folded, dict[str, float]]:
    """A copy with its channels evened out for a kind of arithmetic, and int8's errors by layer.

    Args:
        bench: The scorer and photos.
        activations: What shares a scale where the file runs; None: activations stay float, and the
            copy is a plain one.

    Raises:
        ExportError: If there are no photos, or int8 activations are asked of a convolutional tower.
    """
    even = copy.deepcopy(bench.folded)
    if activations is None:
        return even, {}
    found = bench.smoothing(activations)
    divide(even, found.scales)
    return even, _errors(found)


def _errors(found: Smoothing) -> dict[str, float]:
    # By layer name in the scorer.
    return {f"tower.{name}": error for name, error in found.errors.items()}


def _round_in_step(
    folded: Folded,
    small: Mapping[str, str],
    calibration: Sequence[Views],
    block: int | None,
    steps: dict[str, Tensor],
    activations: Activations | None,
) -> None:
    layers = small_layers(folded)
    exact = activations is None
    # A transformer's means, all that integer arithmetic takes from photos, are known from fewer of
    # them than GPTQ's second moments.
    few = folded.tower.arithmetic == "dynamic" and "int4" not in small.values()
    pixels = pixels_of(folded, calibration_views(folded, calibration, 0.5 if few else 1.0))

    spreads = Spreads()

    def choose(name: str, module: Layer, inputs: Tensor) -> None:
        if small[name] == "int4":
            module.weight.copy_(_int4(name, module.weight, spreads.of(inputs), block, steps))
        elif exact and is_matrix(module):
            flat = module.weight.flatten(1)
            own = weight_steps(flat)
            codes = compensated(flat, int8_grid(flat, own), spreads.of(inputs))
            module.weight.copy_((codes.float() * own[:, None]).view_as(module.weight))
        else:
            module.weight.copy_(round_weight(module.weight))

    round_in_step(folded.tower, {name: layers[name] for name in small}, pixels, choose)


def _int4(
    name: str,
    weight: Tensor,
    spread: Spread,
    block: int | None,
    steps: dict[str, Tensor],
) -> Tensor:
    if block is not None and weight.shape[1] % block:
        raise ExportError(f"int4 blocks of {block} do not divide the {weight.shape[1]} of {name}")
    grid = linear_grid(weight, bits=4, block=block)
    codes = compensated(weight, grid, spread)
    steps[name] = grid.steps.float()
    wide = steps[name].repeat_interleave(weight.shape[1] // steps[name].shape[1], dim=1)
    return codes.to(weight.dtype) * wide
