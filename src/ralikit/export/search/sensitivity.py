"""How far each layer moves the score when it alone is stored in fewer bits, to first order.

One backward pass a photo gives the score's slope at every layer's output; the slope times what
rounding does to that output is the layer's part in the drift. All layers and all types of a photo
cost one forward and one backward pass, where changing one layer at a time would cost hundreds.

The mean of what rounding does is left out: the export puts it into the biases (or it is common to
all of a query's logits).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.kinds import Candidate
from ralikit.model.folded import Folded
from ralikit.runtimes import Views


def sensitivities(
    folded: Folded,
    photos: Sequence[Views],
    candidates: Mapping[str, Mapping[str, Candidate]],
    *,
    tell: Callable[[str, float], None] | None = None,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """The score's shift on every photo, for every candidate of every layer.

    Args:
        folded: The scorer that candidates are to be chosen for; it is not changed.
        photos: Their views, each (V, S, S, 3) uint8.
        candidates: By layer name in the scorer, and type.
        tell: Told the share done.

    Returns:
        Shifts by layer and type, (photos,), on the score's scale.
    """
    shifts = {
        name: {kind: np.zeros(len(photos)) for kind in kinds} for name, kinds in candidates.items()
    }
    means: dict[tuple[str, str], list[tuple[int, Tensor, Tensor]]] = {}
    for index, views in enumerate(photos):
        for name, inputs, slope in _slopes(folded, views, list(candidates)):
            layer = folded.get_submodule(name)
            for kind, candidate in candidates[name].items():
                change = _change(layer, candidate, inputs)
                shifts[name][kind][index] = float((slope * change).sum())
                # The mean change, less exactly known from fewer photos, is taken out at the end.
                key = (name, kind)
                means.setdefault(key, []).append(
                    (index, _channels(change).mean(0), _channels(slope).sum(0))
                )
        if tell is not None:
            tell("how much each layer matters", (index + 1) / len(photos))
    for (name, kind), seen in means.items():
        if name.endswith(".key"):
            continue
        mean = torch.stack([m for _, m, _ in seen]).mean(0)
        for index, _, slope in seen:
            shifts[name][kind][index] -= float((slope * mean).sum())
    return shifts


def _slopes(folded: Folded, views: Views, names: Sequence[str]) -> list[tuple[str, Tensor, Tensor]]:
    # Input of each layer and the score's slope at its output, for one photo.
    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            inputs[name] = args[0].detach()
            outputs[name] = output

        return hook

    handles = [folded.get_submodule(n).register_forward_hook(keep(n)) for n in names]
    try:
        with torch.enable_grad():
            pixels = pixels_of(folded, views).requires_grad_()
            each = folded.tower(pixels)
            if folded.view_pool == "embedding":
                score = folded.head(each.mean(dim=0, keepdim=True)).sum()
            else:
                score = folded.head(each).mean()
            slopes = torch.autograd.grad(score, [outputs[n] for n in names], allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    return [
        (name, inputs[name], torch.zeros_like(outputs[name]) if slope is None else slope.detach())
        for name, slope in zip(names, slopes, strict=True)
    ]


def _change(layer: nn.Module, candidate: Candidate, x: Tensor) -> Tensor:
    # What the layer's output gains when its weight and input are rounded: (W + d) x' - W x.
    with torch.inference_mode():
        rounded = x if candidate.inputs is None else candidate.inputs(x)
        gained = _apply(layer, candidate.change.float(), rounded)
        if candidate.inputs is not None:
            gained += _apply(layer, layer.weight, rounded - x)  # type: ignore[arg-type]
        return gained


def _apply(layer: nn.Module, weight: Tensor, x: Tensor) -> Tensor:
    # The layer's own way to pad and stride, without its bias.
    changed = {"weight": weight}
    if layer.bias is not None:
        changed["bias"] = torch.zeros_like(layer.bias)  # type: ignore[arg-type]
    result: Tensor = torch.func.functional_call(layer, changed, (x,))
    return result


def _channels(x: Tensor) -> Tensor:
    return (x.movedim(1, -1) if x.dim() == 4 else x).flatten(0, -2)
