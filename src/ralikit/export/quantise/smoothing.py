"""Even out the channels of a transformer's activations before they are rounded to 8 bits.

Vision transformers have a few channels, and a few tokens in them, that are a hundred times larger
than the rest. Rounded to one scale, the rest is lost. Dividing channel c of a layer's input by s_c
and multiplying the weights that read it changes nothing in float and moves the range from the
activations, which have one scale, to the weights, which have one for every output (SmoothQuant,
Xiao et al. 2023, eq. 4). Where the division goes:

- inputs of query, key, value and of an MLP's first layer: into the layer norm's gain;
- inputs of the attention's output layer: into the rows of the value layer;
- inputs of an MLP's second layer: the activation function lets nothing through, so that a
  multiplication of its own is spent there, where it wins much.

The migration strength (the paper's alpha) is chosen for every place by the error of the layers'
output on photos, among several and none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ralikit.errors import ExportError
from ralikit.export.quantise.int8 import round_weight
from ralikit.model.folded import Folded
from ralikit.model.towers.channels import Channels, divide_channels
from ralikit.progress import tell
from ralikit.runtimes import Views

Activations = Literal["tensor", "token", "static"]
"""What shares a scale: a photo's whole tensor (ONNX Runtime's dynamic kernels), each token's row
(XNNPACK's), or a tensor on all photos, whose range is fixed (NPUs)."""

_STRENGTHS = (0.3, 0.5, 0.7)
# XNNPACK has no layer norm: written out, a gain is a multiplication too, if a smaller one.
_WORTH_NORM = 0.9
_WORTH = 0.5  # a multiplication of its own must halve the error
_ROWS = 320  # sampled from all photos together
_MOST = 1e4
_CUTS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2)


@dataclass(eq=False)
class Place:
    """A tensor that linear layers read, and what it held on photos.

    Attributes:
        channels: Who reads it, and what can take its division.
        rows: Rows of the tensor on photos, (n, C).
        low: Smallest value of every channel in the photo a row comes from, (photos, C).
        high: Largest value, (photos, C).
        photo: Which photo each row comes from, (n,).
    """

    channels: Channels
    rows: Tensor = field(default_factory=lambda: torch.empty(0))
    low: Tensor = field(default_factory=lambda: torch.empty(0))
    high: Tensor = field(default_factory=lambda: torch.empty(0))
    photo: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))


def watch(folded: Folded, calibration: Sequence[Views]) -> list[Place]:
    """Run a rewritten transformer over photos and note what its layers read.

    Photo by photo, so that memory does not grow with their number but for the sampled rows.

    Args:
        folded: From `ralikit.model.rewrite.lean`.
        calibration: Views of photos, each (V, S, S, 3) uint8.

    Raises:
        ExportError: If there are no photos, or the tower is no transformer.
    """
    from ralikit.export.quantise.equalising import pixels_of

    if not calibration:
        raise ExportError("rounding activations needs calibration photos, and there are none")
    if folded.tower.arithmetic == "static":
        raise ExportError(f"a {folded.tower.kind} tower is not a transformer")
    found = [Place(channels) for channels in folded.tower.channels_to_even()]
    rows: list[list[Tensor]] = [[] for _ in found]
    low: list[list[Tensor]] = [[] for _ in found]
    high: list[list[Tensor]] = [[] for _ in found]
    handles = [
        folded.tower.get_submodule(place.channels.readers[-1]).register_forward_pre_hook(
            _noting(max(2, _ROWS // len(calibration)), rows[i], low[i], high[i])
        )
        for i, place in enumerate(found)
    ]
    try:
        with torch.inference_mode():
            for index, views in enumerate(calibration):
                tell("what the layers read", index / len(calibration))
                folded.tower(pixels_of(folded, np.ascontiguousarray(views[:1])))
    finally:
        for handle in handles:
            handle.remove()
    for i, place in enumerate(found):
        place.rows, place.low, place.high = (
            torch.cat(rows[i]),
            torch.stack(low[i]),
            torch.stack(high[i]),
        )
        place.photo = torch.cat([torch.full((len(r),), k) for k, r in enumerate(rows[i])])
    return found


def _noting(
    count: int, rows: list[Tensor], low: list[Tensor], high: list[Tensor]
) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].flatten(0, -2)
        picked = torch.linspace(0, len(x) - 1, min(count, len(x))).round().long()
        rows.append(x[picked].clone())
        low.append(x.amin(0))
        high.append(x.amax(0))

    return hook


@dataclass(frozen=True, eq=False)
class Smoothing:
    """What evens out a transformer's channels, and what int8 then does to it.

    Attributes:
        scales: What each place's channels are divided by, (C,), by the place's first reader; a
            place that is better left alone is missing.
        errors: Relative error of every layer's output under int8 after smoothing, by its name in
            the tower: the root of noise energy over signal energy.
    """

    scales: dict[str, Tensor]
    errors: dict[str, float]


def divide(folded: Folded, scales: Mapping[str, Tensor]) -> None:
    """Divide channels in place by known scales; scores do not change.

    Args:
        folded: A rewritten transformer; its weights are changed.
        scales: From `smooth` on an equal graph.
    """
    for channels in folded.tower.channels_to_even():
        scale = scales.get(channels.readers[0])
        if scale is not None:
            divide_channels(folded.tower, channels, scale)


def smooth(folded: Folded, seen: Sequence[Place], *, activations: Activations) -> Smoothing:
    """Divide channels in place, each place by the strength that loses least; scores do not change.

    Args:
        folded: A rewritten transformer; its weights are changed.
        seen: From `watch` on the same graph.
        activations: What shares a scale where the file runs.
    """
    scales = {}
    errors = {}
    with torch.no_grad():
        for index, place in enumerate(seen):
            tell("evening out channels", index / len(seen))
            names = place.channels.readers
            readers = [_linear(folded.tower, name) for name in names]
            wanted = place.rows @ torch.cat([reader.weight for reader in readers]).T
            scale = _best_scale(place, readers, wanted, activations)
            if scale is not None:
                scales[names[0]] = scale
                divide_channels(folded.tower, place.channels, scale)
                place = _divided(place, scale)
            parts = torch.split(wanted, [len(reader.weight) for reader in readers], dim=1)
            for name, reader, part in zip(names, readers, parts, strict=True):
                errors[name] = rounding_error(place, reader.weight, part, activations)
    return Smoothing(scales=scales, errors=errors)


def rounding_error(place: Place, weight: Tensor, wanted: Tensor, activations: Activations) -> float:
    """Relative error of layers' output when their input and weights are rounded to int8.

    Args:
        place: What the layers read.
        weight: Their weights, (C_out, C).
        wanted: What they give in float on `place.rows`, (n, C_out).
        activations: What shares a scale.
    """
    got = _rounded_rows(place, activations) @ round_weight(weight).T
    signal = (wanted - wanted.mean(0)).square().sum()
    return float(((got - wanted).square().sum() / signal.clamp_min(1e-30)).sqrt())


def _rounded_rows(place: Place, activations: Activations) -> Tensor:
    if activations == "token":
        low, high = place.rows.amin(1, keepdim=True), place.rows.amax(1, keepdim=True)
    elif activations == "static":
        low, high = _drawn_in(place.rows, place.low.min(), place.high.max())
    else:
        low = place.low.amin(1)[place.photo][:, None]
        high = place.high.amax(1)[place.photo][:, None]
    return round_between(place.rows, low, high)


def _drawn_in(x: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    # The ends of a fixed range, drawn in to where the least is lost.
    errors = [(round_between(x, low * s, high * s) - x).square().sum() for s in _CUTS]
    best = _CUTS[int(torch.stack(errors).argmin())]
    return low * best, high * best


def round_between(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Values on the 256 steps between two ends, as dynamic int8 rounds them.

    Args:
        x: Values, (n, C).
        low: Smallest value of whatever shares a scale, broadcast to x; 0 is always on the grid.
        high: Largest value, likewise.
    """
    low = low.clamp_max(0.0)
    step = ((high.clamp_min(0.0) - low) / 255.0).clamp_min(1e-12)
    zero = torch.round(-low / step)
    return ((torch.round(x / step) + zero).clamp_(0, 255) - zero) * step


def _best_scale(
    place: Place, readers: Sequence[nn.Linear], wanted: Tensor, activations: Activations
) -> Tensor | None:
    weight = torch.cat([r.weight for r in readers])
    peak = torch.maximum(place.low.abs(), place.high.abs()).amax(0)  # (C,)
    columns = weight.abs().amax(0)
    least = rounding_error(place, weight, wanted, activations)
    if place.channels.by == "gain":
        least *= _WORTH
    elif activations == "token" and place.channels.by == "norm":
        least *= _WORTH_NORM
    best = None
    for strength in _STRENGTHS:
        scale = peak.clamp_min(1e-5) ** strength / columns.clamp_min(1e-5) ** (1 - strength)
        scale = scale / scale.log().mean().exp()
        scale = scale.clamp(1 / _MOST, _MOST)
        error = rounding_error(_divided(place, scale), weight * scale, wanted, activations)
        if error < least:
            least, best = error, scale
    return best


def _divided(place: Place, scale: Tensor) -> Place:
    return Place(
        place.channels,
        place.rows / scale,
        place.low / scale,
        place.high / scale,
        place.photo,
    )


def _linear(tower: nn.Module, name: str) -> nn.Linear:
    layer = tower.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101
    return layer
