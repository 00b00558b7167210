"""Fit the read-out of a bank of reasons: along its texts, and by a probe, on the same photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ralikit.errors import TrainingError
from ralikit.metrics.roc import area
from ralikit.model.head import unit
from ralikit.model.reasons import BANK, NAMED
from ralikit.model.reasons_head import ReasonsHead
from ralikit.train.rali.planted import Planted
from ralikit.train.rali.text_encoders import LongTexts, TextEncoder, encode_texts

Floats = NDArray[np.float64]

CLEAN_WEIGHT = 4.0
"""What a photo without a fault counts for beside a copy: there are fewer, and naming a fault of a
good photo is the worse mistake."""
CLEAR = 0.45
"""Strength from which the figures here count a copy: medium and strong ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """One way to read the bank.

    Attributes:
        name: ``"text"``, ``"text, mixed"``, ``"probe"`` or ``"probe, N hidden"``.
        head: The read-out.
        right: Share of clear copies with one fault of which it is the first named.
        clean: Share of photos without a fault of which none is named.
        auc: Area under the ROC curve of each reason, (K,): its clear copies against all others.
        loss: Mean binary cross-entropy against the targets.
    """

    name: str
    head: ReasonsHead
    right: float
    clean: float
    auc: Floats
    loss: float

    @property
    def route(self) -> str:
        """``"text"`` or ``"probe"``."""
        return self.name.split(",")[0]


def bank_texts(encoder: TextEncoder, *, long_texts: LongTexts) -> dict[str, NDArray[np.float32]]:
    """The bank's texts, embedded: ``present`` and ``absent``, (K, T, D) each.

    Args:
        encoder: What the tower is aligned to.
        long_texts: What becomes of texts that it cannot read whole.
    """

    def embedded(side: list[str]) -> NDArray[np.float32]:
        found, _ = encode_texts(encoder, side, long_texts=long_texts)
        return found.reshape(len(BANK), -1, encoder.dim)

    return {
        "present": embedded([text for entry in BANK for text in entry.present]),
        "absent": embedded([text for entry in BANK for text in entry.absent]),
    }


def axes(present: NDArray[np.floating], absent: NDArray[np.floating]) -> Floats:
    """Directions from good to faulty, (K, D), at unit norm.

    Args:
        present: Embedded texts of photos with each fault, (K, T, D).
        absent: Of photos without, (K, T, D).
    """
    found: Floats = unit(present.mean(axis=1) - absent.mean(axis=1)).astype(np.float64)
    return found


def fit_text(planted: Planted, wanted: Floats, directions: Floats, *, mixed: bool) -> ReasonsHead:
    """Scale and place the cosines with the texts' directions so that they read as probabilities.

    Args:
        planted: Photos to fit on.
        wanted: Share of people taken to name each reason, (n, K).
        directions: From `axes`, (K, D).
        mixed: Whether each reason weighs all directions; else its own alone, and never backwards:
            texts of both sides that were swapped cannot be mended by calibration.
    """
    cosines = unit(planted.embeddings) @ directions.T  # (n, K)
    spread = cosines.std(axis=0) + 1e-9
    count = len(directions)
    start = np.eye(count) if mixed else np.zeros(count)

    def logits(x: Tensor, parts: dict[str, Tensor]) -> Tensor:
        weighed = x @ parts["scale"].T if mixed else x * parts["scale"].exp()
        return weighed + parts["bias"]

    parts = _minimise(
        logits,
        (cosines - cosines.mean(axis=0)) / spread,
        wanted,
        _weights(planted),
        {"scale": start, "bias": np.full(count, -2.0)},
        decay=1e-4,
    )
    scale = (parts["scale"] if mixed else np.diag(np.exp(parts["scale"]))) / spread
    return ReasonsHead(weight=scale @ directions, bias=parts["bias"] - scale @ cosines.mean(axis=0))


def fit_probe(
    planted: Planted, wanted: Floats, *, hidden: int, decay: float, seed: int
) -> ReasonsHead:
    """Fit a linear probe, or one with a layer of ReLUs, on embeddings at unit norm.

    Args:
        planted: Photos to fit on.
        wanted: Share of people taken to name each reason, (n, K).
        hidden: ReLUs; 0: linear.
        decay: Pull of the weights to zero.
        seed: Of the start.
    """
    x = unit(planted.embeddings)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    rng = np.random.default_rng([seed, 31])
    dim, count = x.shape[1], wanted.shape[1]
    start = {"weight": rng.normal(size=(count, hidden or dim)) * 0.01, "bias": np.full(count, -2.0)}
    if hidden:
        start["first"] = rng.normal(size=(hidden, dim)) / np.sqrt(dim)
        start["first_bias"] = np.zeros(hidden)

    def logits(rows: Tensor, parts: dict[str, Tensor]) -> Tensor:
        if hidden:
            rows = torch.relu(rows @ parts["first"].T + parts["first_bias"])
        return rows @ parts["weight"].T + parts["bias"]

    parts = _minimise(logits, (x - mean) / spread, wanted, _weights(planted), start, decay=decay)
    inner = parts["first"] if hidden else parts["weight"]
    folded = inner / spread
    offset = folded @ mean
    if hidden:
        return ReasonsHead(
            weight=parts["weight"],
            bias=parts["bias"],
            hidden_weight=folded,
            hidden_bias=parts["first_bias"] - offset,
        )
    return ReasonsHead(weight=folded, bias=parts["bias"] - offset)


def calibrated(head: ReasonsHead, planted: Planted, wanted: Floats) -> ReasonsHead:
    """The same read-out with each reason's logit scaled and moved to fit photos kept out.

    A probe is surer of the photos it was fitted on than of others (Platt, 1999).
    """
    logit = _logits(head, planted.embeddings)

    def logits(rows: Tensor, parts: dict[str, Tensor]) -> Tensor:
        return rows * parts["scale"].exp() + parts["bias"]  # never turns a reason round

    count = wanted.shape[1]
    parts = _minimise(
        logits,
        logit,
        wanted,
        _weights(planted),
        {"scale": np.zeros(count), "bias": np.zeros(count)},
        decay=1e-4,
    )
    scale = np.exp(parts["scale"])
    return ReasonsHead(
        weight=head.weight * scale[:, None],
        bias=head.bias * scale + parts["bias"],
        hidden_weight=head.hidden_weight,
        hidden_bias=head.hidden_bias,
        normalize=head.normalize,
    )


def judged(
    name: str, head: ReasonsHead, planted: Planted, wanted: Floats, owners: Sequence[int]
) -> Fitted:
    """What a read-out does on photos.

    Args:
        name: Of the route.
        head: The read-out.
        planted: Photos kept out of fitting.
        wanted: Share of people taken to name each reason, (n, K).
        owners: Which reason each rendering gives, (R,).
    """
    values = head.values(planted.embeddings)
    first = np.where(values.max(axis=1) >= NAMED, values.argmax(axis=1), -1)
    strength = np.where(np.isnan(planted.strength), -1.0, planted.strength)
    truth = np.asarray(owners)[strength.argmax(axis=1)]
    clear = planted.single & (strength.max(axis=1) >= CLEAR)
    auc = [
        _area(values[clear & (truth == k), k], values[(wanted[:, k] == 0), k])
        for k in range(wanted.shape[1])
    ]
    limited = np.clip(values, 1e-9, 1 - 1e-9)
    loss = -(wanted * np.log(limited) + (1 - wanted) * np.log(1 - limited)).mean()
    return Fitted(
        name=name,
        head=head,
        right=float((first == truth)[clear].mean()) if clear.any() else float("nan"),
        clean=float((first == -1)[planted.clean].mean()),
        auc=np.array(auc),
        loss=float(loss),
    )


def _area(positive: Floats, negative: Floats) -> float:
    found = area(positive, negative)
    return float("nan") if found is None else found


def _weights(planted: Planted) -> Floats:
    return np.where(planted.clean, CLEAN_WEIGHT, 1.0)


def _logits(head: ReasonsHead, embeddings: NDArray[np.floating]) -> Floats:
    values = np.clip(head.values(embeddings), 1e-12, 1 - 1e-12)
    found: Floats = np.log(values / (1 - values))
    return found


def _minimise(
    logits: Callable[[Tensor, dict[str, Tensor]], Tensor],
    x: Floats,
    wanted: Floats,
    weights: Floats,
    start: dict[str, Floats],
    *,
    decay: float,
    steps: int = 200,
) -> dict[str, Floats]:
    """Weighted binary cross-entropy plus decay, by L-BFGS on all rows at once, float64."""
    rows, truth = torch.from_numpy(x), torch.from_numpy(wanted)
    weight = torch.from_numpy(weights / weights.mean())[:, None]
    parts = {k: torch.from_numpy(np.array(v, dtype=np.float64)) for k, v in start.items()}
    for part in parts.values():
        part.requires_grad_()
    optimizer = torch.optim.LBFGS(
        list(parts.values()), max_iter=steps, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = F.binary_cross_entropy_with_logits(
            logits(rows, parts), truth, weight=weight.expand_as(truth)
        )
        for name, part in parts.items():
            if "bias" not in name:
                found = found + decay * part.square().sum() / len(truth.T)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    result = {k: v.detach().numpy() for k, v in parts.items()}
    if not all(np.isfinite(v).all() for v in result.values()):
        raise TrainingError("the fit of the reasons gave values that are not finite")
    return result
