"""From the embedding to the reasons: one or two linear layers and a logistic. Plain numpy, float64.

Both routes end here. The text route's rows are the directions between the texts of both sides,
scaled by its calibration; a probe's are fitted. Which it was stands in `ReasonsInfo.route`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError
from ralikit.model.head import FloatArray, unit
from ralikit.model.reasons import ReasonInfo

Route = Literal["text", "probe"]


@dataclass(frozen=True, kw_only=True)
class ReasonsInfo:
    """What a bundle says of its reasons.

    Attributes:
        bank: What each number means, in the output's order.
        route: ``"text"``: read off along the texts' directions; ``"probe"``: fitted on embeddings.
        note: What the calibration rests on, in sentences.
        provenance: Photos, seeds, figures on photos kept out.
    """

    bank: tuple[ReasonInfo, ...]
    route: Route
    note: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_bank(self.bank)


def check_bank(bank: tuple[ReasonInfo, ...]) -> None:
    """Refuse a bank without reasons, or with one twice.

    Raises:
        UsageError: If it is so.
    """
    ids = [info.id for info in bank]
    if not ids or len(set(ids)) < len(ids):
        raise UsageError("a bank has at least one reason, and none twice")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReasonsHead:
    """The fitted read-out of the reasons.

    Attributes:
        weight: (K, D), or (K, H) where there is a hidden layer.
        bias: (K,).
        hidden_weight: (H, D) of a layer of ReLUs before it, or None.
        hidden_bias: (H,), or None.
        normalize: Whether embeddings are scaled to unit norm first.
    """

    weight: FloatArray
    bias: FloatArray
    hidden_weight: FloatArray | None = None
    hidden_bias: FloatArray | None = None
    normalize: bool = True

    def __post_init__(self) -> None:
        if (self.hidden_weight is None) != (self.hidden_bias is None):
            raise ValueError("a hidden layer has both a weight and a bias")
        shapes: list[tuple[str, FloatArray, tuple[int, ...]]] = []
        inner = self.weight.shape[-1]
        shapes.append(("weight", self.weight, (len(self.bias), inner)))
        shapes.append(("bias", self.bias, (len(self.bias),)))
        if self.hidden_weight is not None and self.hidden_bias is not None:
            wide = (inner, self.hidden_weight.shape[-1])
            shapes.append(("hidden_weight", self.hidden_weight, wide))
            shapes.append(("hidden_bias", self.hidden_bias, (inner,)))
        for name, array, shape in shapes:
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds NaN or infinity")

    @property
    def dim(self) -> int:
        """Width of the embedding, D."""
        first = self.weight if self.hidden_weight is None else self.hidden_weight
        return int(first.shape[1])

    def values(self, embedding: FloatArray) -> FloatArray:
        """Reasons of embeddings, (n, D) -> (n, K), each 0..1."""
        x: FloatArray = np.asarray(embedding, dtype=np.float64)
        if x.shape[-1] != self.dim:
            raise ValueError(f"embeddings have {x.shape[-1]} features, the bank reads {self.dim}")
        if self.normalize:
            x = unit(x)
        if self.hidden_weight is not None and self.hidden_bias is not None:
            x = np.maximum(x @ np.asarray(self.hidden_weight, np.float64).T + self.hidden_bias, 0)
        logits = x @ np.asarray(self.weight, np.float64).T + self.bias
        values: FloatArray = 0.5 * (1 + np.tanh(logits / 2))  # the logistic, without overflow
        return values

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """What a bundle stores, by name."""
        parts = {
            "weight": self.weight,
            "bias": self.bias,
            "hidden_weight": self.hidden_weight,
            "hidden_bias": self.hidden_bias,
            "normalize": np.array([float(self.normalize)]),
        }
        return {k: np.asarray(v, dtype=np.float32) for k, v in parts.items() if v is not None}


def reasons_head(tensors: Mapping[str, NDArray[Any]]) -> ReasonsHead:
    """The read-out from a bundle's tensors; others beside them (the texts' embeddings) are left.

    Raises:
        KeyError: If one is missing.
        ValueError: If one is misshapen or not finite.
    """
    return ReasonsHead(
        weight=tensors["weight"],
        bias=tensors["bias"],
        hidden_weight=tensors.get("hidden_weight"),
        hidden_bias=tensors.get("hidden_bias"),
        normalize=bool(tensors["normalize"].reshape(-1)[0]),
    )
