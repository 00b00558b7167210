"""How large a scorer's intermediate values get on photos: float16 ends at 65504.

Phones' GPUs, and their processors where they are asked to, compute in float16. Whatever overflows
there is infinity, and the score NaN, on a phone and nowhere else. So every tensor that the graph
computes is looked at in float32, the insides of norms and attention too: a layer norm squares what
it reads, and a token of 300 becomes 90000.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ralikit.model.folded import Folded
from ralikit.runtimes import Views

PHOTOS = 4
"""Photos that are looked at: overflow comes of a model's few massive tokens, which all share."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The largest magnitude that a graph computed.

    Attributes:
        largest: Of any element of any tensor, on any photo.
        where: The module that computed it.
        photos: Number of photos looked at.
    """

    largest: float
    where: str
    photos: int

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"largest": round(self.largest, 2), "where": self.where, "photos": self.photos}


def reach(folded: Folded, photos: Sequence[Views]) -> Reach:
    """Look at everything that a graph computes on photos.

    Args:
        folded: A folded scorer, laid out as it is converted.
        photos: Views of photos, each (V, S, S, 3) uint8.
    """
    watch = _Watch()
    with ExitStack() as hooks:
        for name, module in folded.named_modules():
            hooks.callback(module.register_forward_pre_hook(watch.entering(name)).remove)
            hooks.callback(module.register_forward_hook(watch.leaving).remove)
        with torch.inference_mode(), watch:
            for views in photos:
                folded(torch.from_numpy(views.copy()))
    return Reach(largest=watch.largest, where=watch.where, photos=len(photos))


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the largest value of every operation's result, and the module it ran in."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest, self.where = 0.0, ""
        self._inside: list[str] = []

    def entering(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            self._inside.append(name)

        return hook

    def leaving(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._inside.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point() and result.numel():
            # Extremes in one pass and without a copy; NaN counts as beyond everything.
            low, high = torch.aminmax(result)
            size = float(torch.maximum(-low, high))
            if not size <= self.largest:
                self.largest = size if size == size else float("inf")
                self.where = (self._inside[-1] if self._inside else "") or "the pixels"
        return result
