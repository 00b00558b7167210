"""int8 activations for Core ML: one symmetric scale a tensor, from photos.

coremltools finds these ranges by running the model on a Mac. Here they come from the torch graph,
while its weights are rounded in step. The grid is the one that coremltools' own tool writes:
-127..127 without a zero point.
"""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 127
_CUTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
_SAMPLE = 1 << 19
_LEAST = 2.0**-24  # float16's smallest number


def input_scale(inputs: Tensor) -> float:
    """The float16 step that loses least of a tensor, in squares, its largest values cut where
    that is better for the rest.
    """
    values = inputs.flatten()
    sample = values[:: max(1, len(values) // _SAMPLE) | 1].float()
    peak = float(values.abs().max())
    steps = [max(float(torch.tensor(peak * cut / LIMIT).half()), _LEAST) for cut in _CUTS]
    losses = [float((rounded(sample, step) - sample).square().sum()) for step in steps]
    return steps[losses.index(min(losses))]


def rounded(values: Tensor, step: float) -> Tensor:
    """What a quantize and a dequantize make of a tensor."""
    return torch.round(values / step).clamp_(-LIMIT, LIMIT) * step
