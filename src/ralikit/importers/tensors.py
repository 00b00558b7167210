"""Tensors of other people's files as plain arrays, or why they are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.importers.torch_names import Unread
from ralikit.printable import shown

if TYPE_CHECKING:
    from torch import Tensor


def arrays(tensors: Mapping[str, Tensor | Unread], *, where: str) -> dict[str, NDArray[np.float32]]:
    """Named tensors as float32 arrays.

    Raises:
        BundleError: If one is not dense, or not of floating-point numbers.
    """
    return {name: _array(name, tensor, where=where) for name, tensor in tensors.items()}


def _array(name: str, tensor: Any, *, where: str) -> NDArray[np.float32]:
    import torch

    kind = unusual(tensor)
    if kind:
        raise BundleError(
            f"{where}: {shown(name)} is {kind}; save it as a dense tensor of floating-point numbers"
        )
    whole: NDArray[np.float32] = tensor.detach().to(torch.float32).cpu().numpy()
    return whole


def unusual(tensor: object) -> str:
    """What makes something no dense tensor of real numbers, e.g. ``"a sparse tensor"``; or ""."""
    import torch

    if isinstance(tensor, Unread):
        return f"a {tensor.kind} tensor"
    if not isinstance(tensor, torch.Tensor):
        return f"a {type(tensor).__name__}"
    flags = {
        "quantised": tensor.is_quantized,
        "meta": tensor.is_meta,
        "nested": tensor.is_nested,
        "sparse": tensor.layout != torch.strided,
        str(tensor.dtype).removeprefix("torch."): not tensor.is_floating_point(),
    }
    return next((f"a {kind} tensor" for kind, holds in flags.items() if holds), "")
