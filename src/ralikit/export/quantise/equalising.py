"""Rescale channels so that one range fits a whole tensor, without changing the function.

int8 gives a tensor one step for all its channels, and a layer one step for every output channel; a
channel, or a column of weights, a hundred times smaller than its neighbour is then nearly lost.
Scaling channel c of a tensor by s and the weights that read it by 1/s changes nothing in float
(cross-layer equalisation, Nagel et al. 2019, section 4.1). Two differences from the paper:

- The scales are those with the least rounding noise, predicted from the channels' moments on photos
  and the weights, among many candidates; the paper equates weight ranges.
- ReLU6 clips at 6, which does not scale. A channel that stays below 6 on the photos is scaled up at
  most to 6 less a margin; one that reaches 6 is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from ralikit.export.quantise.structure import (
    ChannelGroup,
    channel_groups,
    is_relu,
    layer,
    refuse_unknown,
    trace,
)
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

# A channel behind ReLU6 keeps this much room above its largest calibration value.
_MARGIN = 1.5
WEIGHT_LEVELS = 127
"""Whole numbers of a weight, -127..127: LiteRT takes nothing else, a zero point would cost time."""

# No channel is scaled by more than this, nor by less than one over it.
_MOST = 64.0
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEVELS = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


@dataclass
class Moments:
    """What a tensor's channels held on photos: largest magnitude and mean square, each (C,)."""

    peak: Tensor
    square: Tensor


def pixels_of(folded: Folded, views: Views) -> Tensor:
    """What a graph's tower is given for one photo: (V, S, S, 3) uint8 -> (V, 3, S, S) float."""
    return folded.pixels(torch.from_numpy(views))


def on_pixel_grid(folded: Folded) -> Folded:
    """A copy whose tower sees (pixel - z) * g with one whole z and one g for all three channels.

    Then uint8 pixels are the first layer's quantised input as they come, with no rounding at all.
    What differs between channels moves into the first convolution; exact, save that its padding
    then stands for pixel value z where it stood for the mean (less than half a level for
    mean 0.5). The comparison with the reference covers that.
    """
    folded = copy.deepcopy(folded)
    traced = trace(folded.tower)
    refuse_unknown(traced, folded.tower.kind)
    first = next(iter(_layers(traced)))
    gain, offset = folded.gain.double().flatten(), folded.offset.double().flatten()
    step = gain.mean()
    zero = torch.round((-offset / gain).mean()).clamp(0, 255)
    with torch.no_grad():
        weight = first.weight.double()
        shift = (offset + gain * zero).view(1, 3, *[1] * (weight.dim() - 2))
        ratio = (gain / step).view_as(shift)
        assert first.bias is not None  # noqa: S101
        first.bias += (weight * shift).flatten(1).sum(1).float()
        first.weight.copy_(weight * ratio)
        folded.gain.fill_(float(step))
        folded.offset.fill_(float(-step * zero))
    return folded


def channel_moments(graph: fx.GraphModule, batches: Iterable[Tensor]) -> dict[str, Moments]:
    """Moments of every channel of every tensor over the calibration pixels, by node name."""
    # Kept as running figures: small tensors that outlive each photo's large ones would stop the
    # heap from ever shrinking (58 MB a photo).
    found: dict[str, Moments] = {}
    photos = 0

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Tensor:
            result: Tensor = super().run_node(n)
            if n.op != "output":
                axes = [d for d in range(result.dim()) if d != 1]
                peak, square = result.abs().amax(dim=axes), result.square().mean(dim=axes)
                if n.name not in found:
                    found[n.name] = Moments(torch.zeros_like(peak), torch.zeros_like(square))
                kept = found[n.name]
                torch.maximum(kept.peak, peak, out=kept.peak)
                kept.square += square
            return result

    watch = Watch(graph)
    with torch.inference_mode():
        for pixels in batches:
            watch.run(pixels)
            photos += 1
        for moments in found.values():
            moments.square /= max(1, photos)
    return found


def equalise(folded: Folded, calibration: Sequence[Views]) -> Folded:
    """A copy with its tower's channels rescaled for int8; the same function on those photos.

    Args:
        folded: A folded scorer with a convolutional tower.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8.
    """
    folded = copy.deepcopy(folded)
    traced = trace(folded.tower)
    refuse_unknown(traced, folded.tower.kind)
    moments = channel_moments(traced, (pixels_of(folded, views) for views in calibration))
    for group in channel_groups(traced):
        if group.free and group.writers and group.readers:
            _rescale(group, _scales(group, moments))
    return folded


def _scales(group: ChannelGroup, moments: dict[str, Moments]) -> Tensor:
    # A group's range is that of its widest tensor; behind a ReLU, what the ReLU lets through.
    passed = [n for n in group.nodes if is_relu(n)] or group.nodes
    peak = torch.stack([moments[n.name].peak for n in passed]).amax(0).clamp_min(1e-6)
    square = torch.stack([moments[n.name].square for n in passed]).amax(0)
    columns = torch.stack([_column_peaks(reader) for reader in group.readers]).amax(0)
    low, high = torch.full_like(peak, 1.0 / _MOST), torch.full_like(peak, _MOST)
    if group.ceiling is not None:
        low = torch.ones_like(peak)
        high = torch.minimum(high, group.ceiling / (_MARGIN * peak)).clamp_min(1.0)
    best = torch.ones_like(peak)
    least = _noise(group, best, peak, square)
    for p in _POWERS:
        for q in _POWERS:
            shape = columns.clamp_min(1e-6).pow(p) / peak.pow(q)
            for level in _LEVELS:
                scale = shape / (level * shape.max())
                scale = torch.maximum(torch.minimum(scale, high), low)
                noise = _noise(group, scale, peak, square)
                if noise < least:
                    best, least = scale, noise
    return best


def _noise(group: ChannelGroup, scale: Tensor, peak: Tensor, square: Tensor) -> float:
    """Variance that rounding adds to what the readers give, relative to what it is there for.

    Rounding to a step adds step^2 / 12: once for the tensor's own 8 bits, once for the weights'.
    """
    sides = 1.0 if group.ceiling is not None else 2.0
    tensor_step = sides * float((peak * scale).max()) / 255.0
    total = 0.0
    for reader in group.readers:
        weight = reader.weight.detach().flatten(2) if reader.weight.dim() > 2 else None
        weight = reader.weight.detach().unsqueeze(-1) if weight is None else weight
        energy = weight.square().sum(2)  # (C_out, C_in), or (C, 1) of a depthwise kernel
        if _is_depthwise(reader):
            signal = (energy[:, 0] * square).sum()
            noise = (energy[:, 0] * (tensor_step / scale).square()).sum()
        else:
            signal = (energy * square).sum()
            steps = (weight.abs().amax(2) / scale).amax(1) / WEIGHT_LEVELS  # (C_out,)
            noise = (energy / scale.square()).sum() * tensor_step**2
            noise += steps.square().sum() * weight.shape[2] * (square * scale.square()).sum()
        total += float(noise / signal.clamp_min(1e-20))
    return total


def _column_peaks(reader: nn.Conv2d | nn.Linear) -> Tensor:
    # Of every input channel: its largest weight, relative to the largest of the same output.
    weight = reader.weight.detach()
    if _is_depthwise(reader):
        return torch.ones(len(weight))
    peaks = weight.flatten(1).abs().amax(1).clamp_min(1e-12)
    relative = weight.abs() / peaks.view(-1, *[1] * (weight.dim() - 1))
    return relative.transpose(0, 1).flatten(1).amax(1)


def _rescale(group: ChannelGroup, scale: Tensor) -> None:
    with torch.no_grad():
        for writer in group.writers:
            writer.weight *= scale.view(-1, *[1] * (writer.weight.dim() - 1))
            if writer.bias is not None:
                writer.bias *= scale
        for reader in group.readers:
            axis = 0 if _is_depthwise(reader) else 1
            shape = [1] * reader.weight.dim()
            shape[axis] = -1
            reader.weight /= scale.view(shape)


def _is_depthwise(module: nn.Conv2d | nn.Linear) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def _layers(graph: fx.GraphModule) -> Iterable[nn.Conv2d | nn.Linear]:
    return (m for m in (layer(graph, n) for n in graph.graph.nodes) if m is not None)
