"""What the tensors of a program hold: for calibration, and to see float16 overflow early."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

FP16_MAX = 65504.0


@dataclass
class Ranges:
    """Smallest and largest value of every float tensor over all runs; pass it as `observe`.

    Attributes:
        low: By tensor name.
        high: By tensor name.
        dtypes: The type the program declares, by tensor name.
        broken: Tensors that held NaN or infinity.
    """

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def __call__(self, name: str, dtype: str, tensor: Tensor) -> None:
        """Take in one tensor of one run."""
        if not tensor.is_floating_point() or tensor.numel() == 0:
            return
        smallest, largest = (float(v) for v in torch.aminmax(tensor))
        if not (smallest > float("-inf") and largest < float("inf")):  # NaN fails both
            self.broken.add(name)
        self.dtypes[name] = dtype
        self.low[name] = min(self.low.get(name, smallest), smallest)
        self.high[name] = max(self.high.get(name, largest), largest)

    def overflowing(self) -> list[str]:
        """float16 tensors whose values leave float16, or that hold NaN or infinity; sorted."""
        return sorted(
            name
            for name, dtype in self.dtypes.items()
            if name in self.broken
            or (dtype == "fp16" and max(self.high[name], -self.low[name]) > FP16_MAX)
        )

    def largest(self) -> tuple[str, float]:
        """The float16 tensor with the largest absolute value, and that value; ("", 0) if none."""
        reach = {
            name: max(self.high[name], -self.low[name])
            for name, dtype in self.dtypes.items()
            if dtype == "fp16"
        }
        return max(reach.items(), key=lambda item: item[1], default=("", 0.0))
