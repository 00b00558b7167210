"""Where kernels register themselves under the name of the MIL operation they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Kernel = Callable[..., Tensor | tuple[Tensor, ...]]
Number = float | int | bool
Operand = Tensor | Number

KERNELS: dict[str, Kernel] = {}
"""By operation name; arguments are named as in MIL, arrays are tensors, scalars plain numbers."""

F = TypeVar("F", bound=Kernel)


def kernel(name: str) -> Callable[[F], F]:
    """Register a function as the kernel of the MIL operation `name`."""

    def register(function: F) -> F:
        KERNELS[name] = function
        return function

    return register


def ints(values: Operand) -> list[int]:
    """A list of whole numbers from a constant vector."""
    if isinstance(values, Tensor):
        return [int(v) for v in values.reshape(-1).tolist()]
    return [int(values)]


def pair(x: Operand, y: Operand) -> tuple[Tensor, Tensor]:
    """Both operands as tensors; a plain number takes the other's type."""
    if not isinstance(x, Tensor):
        x = torch.tensor(x, dtype=y.dtype if isinstance(y, Tensor) else None)
    if not isinstance(y, Tensor):
        y = torch.tensor(y, dtype=x.dtype)
    return x, y
