"""Rescale channels so that one range fits a whole tensor, without changing the function.

int8 gives a tensor one step size for all its channels; a channel a hundred times smaller than
another is then nearly lost. Scaling channel c of a tensor by s and the weights that read it by 1/s
changes nothing in float (cross-layer equalisation, Nagel et al. 2019, section 4.1) and gives
every channel the full range. Two differences from the paper:

- Channels are judged by their activations on photos, not by weight ranges: weights have a step of
  their own for every output channel, so that only activations and input columns matter.
- ReLU6 clips at 6, which does not scale. A channel that stays below 6 on the photos is scaled up at
  most to 6 over a margin; one that reaches 6 is left alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, fx, nn

from ralikit.export.graph import FoldedScorer
from ralikit.export.structure import ChannelGroup, channel_groups, is_relu, layer, trace
from ralikit.runtimes import Views

# A channel behind ReLU6 keeps this much room above its largest calibration value.
_MARGIN = 1.25
# Channels that never move get no more than this: their noise is not worth the readers' range.
_MOST = 64.0
# How far the readers' columns count against the activations; 0.5 treats both ends alike.
_STRENGTH = 0.5


def pixels_of(graph: FoldedScorer, views: Views) -> Tensor:
    """What a graph's tower is given for one photo: (V, S, S, 3) uint8 -> (V, 3, S, S) float."""
    image = torch.from_numpy(views).to(torch.float32).permute(0, 3, 1, 2)
    return image * graph.gain + graph.offset


def on_pixel_grid(graph: FoldedScorer) -> FoldedScorer:
    """A copy whose tower sees (pixel - z) * g with one whole z and one g for all three channels.

    Then uint8 pixels are the first layer's quantised input as they come, with no rounding at all.
    What differs between channels moves into the first convolution; exact, save that its padding
    then stands for pixel value z where it stood for the mean (less than half a level for
    mean 0.5). The comparison with the reference covers that.
    """
    graph = copy.deepcopy(graph)
    first = next(iter(_layers(trace(graph.tower))))
    gain, offset = graph.gain.double().flatten(), graph.offset.double().flatten()
    step = gain.mean()
    zero = torch.round((-offset / gain).mean()).clamp(0, 255)
    with torch.no_grad():
        weight = first.weight.double()
        shift = (offset + gain * zero).view(1, 3, *[1] * (weight.dim() - 2))
        ratio = (gain / step).view_as(shift)
        assert first.bias is not None  # noqa: S101
        first.bias += (weight * shift).flatten(1).sum(1).float()
        first.weight.copy_(weight * ratio)
        graph.gain.fill_(float(step))
        graph.offset.fill_(float(-step * zero))
    return graph


def channel_peaks(graph: fx.GraphModule, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """Largest magnitude of every channel of every tensor over the calibration pixels, by node."""
    peaks: dict[str, Tensor] = {}

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Tensor:
            result: Tensor = super().run_node(n)
            if n.op != "output":
                axes = [d for d in range(result.dim()) if d != 1]
                peak = result.abs().amax(dim=axes)
                peaks[n.name] = torch.maximum(peaks[n.name], peak) if n.name in peaks else peak
            return result

    watch = Watch(graph)
    with torch.inference_mode():
        for pixels in batches:
            watch.run(pixels)
    return peaks


def equalise(graph: FoldedScorer, calibration: Sequence[Views]) -> FoldedScorer:
    """A copy with its tower's channels rescaled for int8; the same function on those photos.

    Args:
        graph: A folded scorer with a convolutional tower.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8.
    """
    graph = copy.deepcopy(graph)
    traced = trace(graph.tower)
    peaks = channel_peaks(traced, (pixels_of(graph, views) for views in calibration))
    for group in channel_groups(traced):
        if group.free and group.writers and group.readers:
            _rescale(group, _scales(group, peaks))
    return graph


def _scales(group: ChannelGroup, peaks: dict[str, Tensor]) -> Tensor:
    # A group's range is that of its widest tensor; behind a ReLU, what the ReLU lets through.
    passed = [n for n in group.nodes if is_relu(n)] or group.nodes
    seen = torch.stack([peaks[n.name] for n in passed]).amax(0).clamp_min(1e-6)  # (C,)
    columns = torch.stack([_column_peaks(reader, len(seen)) for reader in group.readers]).amax(0)
    wanted = seen.max() / seen  # gives every channel the tensor's full range
    if all(_is_depthwise(reader) for reader in group.readers):
        scale = wanted  # a depthwise kernel has a step of its own: nothing is lost there
    else:
        cost = (columns.max() / columns.clamp_min(1e-6 * float(columns.max()))).reciprocal()
        scale = (wanted * cost.clamp_min(1e-6)).pow(_STRENGTH)
        scale = scale / scale.min() if group.ceiling is None else scale
    scale = scale.clamp(1.0 / _MOST, _MOST)
    if group.ceiling is not None:
        room = group.ceiling / (_MARGIN * seen)
        scale = torch.minimum(scale, room).clamp_min(1.0)
    return scale


def _column_peaks(reader: nn.Conv2d | nn.Linear, channels: int) -> Tensor:
    weight = reader.weight.detach()
    relative = weight / weight.flatten(1).abs().amax(1).clamp_min(1e-12).view(
        -1, *[1] * (weight.dim() - 1)
    )
    if _is_depthwise(reader):
        return torch.ones(channels)
    return relative.abs().transpose(0, 1).flatten(1).amax(1)


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
