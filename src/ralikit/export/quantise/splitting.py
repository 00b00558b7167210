"""Carry the first, narrow tensors of a tower twice, half a step apart: 9 bits on 8-bit kernels.

In dark and smooth photos neighbouring pixels differ by less than one int8 step of the first
tensors. Rounding there looks like noise in the photo, which is just what a quality score is
sensitive to: on the bundled model those photos drift most. So every channel is computed twice, with
biases a quarter of a step above and below, and whoever reads it gives each copy half the weight
(outlier channel splitting, Zhao et al. 2019, section 3.3, used on activations): the average of the
two roundings is a rounding to half the step. In float nothing changes, but for values within a
quarter of a step of a ReLU6's ends.

Only tensors before the first wide one are worth it: they are few channels, cheap to double.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

from ralikit.export.quantise.equalising import channel_moments, pixels_of
from ralikit.export.quantise.structure import ChannelGroup, channel_groups, trace
from ralikit.model.folded import Folded
from ralikit.runtimes import Views

_LEVELS = 255


def split_first_channels(folded: Folded, calibration: Sequence[Views]) -> Folded:
    """A copy whose first channels are carried twice; layers keep their names.

    Args:
        folded: A folded scorer with a convolutional tower, equalised.
        calibration: Views of calibration photos, each (V, S, S, 3) uint8; they give the steps.
    """
    folded = copy.deepcopy(folded)
    traced = trace(folded.tower)
    chosen = _narrow(channel_groups(traced))
    if not chosen:
        return folded
    moments = channel_moments(traced, (pixels_of(folded, views) for views in calibration))
    for group in chosen:
        peak = max(float(moments[node.name].peak.max()) for node in group.nodes)
        span = group.ceiling if group.ceiling is not None else 2.0 * peak
        _double(group, quarter=span / _LEVELS / 4.0)
    return folded


def _narrow(groups: list[ChannelGroup]) -> list[ChannelGroup]:
    # From the first layer's output on, as long as tensors are not wider than it.
    found: list[ChannelGroup] = []
    for group in groups:
        if not group.writers:
            continue
        width = group.writers[0].weight.shape[0]
        if found and width > found[0].writers[0].weight.shape[0]:
            break
        if not group.free or not group.readers or len(group.writers) != 1:
            break
        found.append(group)
    # A depthwise layer has as many channels behind it as before it: both are doubled, or neither.
    while found and any(_is_depthwise(reader) for reader in found[-1].readers):
        found.pop()
    return found


def _double(group: ChannelGroup, *, quarter: float) -> None:
    with torch.no_grad():
        (writer,) = group.writers
        writer.weight = nn.Parameter(torch.cat([writer.weight, writer.weight]), False)
        assert writer.bias is not None  # noqa: S101
        writer.bias = nn.Parameter(torch.cat([writer.bias + quarter, writer.bias - quarter]), False)
        _count(writer, outputs=2)
        for reader in group.readers:
            if not _is_depthwise(reader):  # a depthwise one is doubled as the next group's writer
                half = reader.weight / 2.0
                reader.weight = nn.Parameter(torch.cat([half, half], dim=1), False)
                _count(reader, inputs=2)


def _count(module: nn.Conv2d | nn.Linear, *, inputs: int = 1, outputs: int = 1) -> None:
    if isinstance(module, nn.Linear):
        module.in_features *= inputs
        module.out_features *= outputs
        return
    if _is_depthwise(module):
        module.groups *= outputs
        inputs = outputs
    module.in_channels *= inputs
    module.out_channels *= outputs


def _is_depthwise(module: nn.Conv2d | nn.Linear) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
