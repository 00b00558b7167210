"""The losses of alignment and score fit, on whole batches. Pure functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def plcc_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - Pearson's correlation of two vectors, (n,) each; 1 for a constant prediction."""
    a, b = predicted - predicted.mean(), target - target.mean()
    correlation: Tensor = (a * b).sum() / (a.norm() * b.norm() + 1e-6)
    return 1 - correlation


def agreement_loss(
    predicted: Tensor,
    target: Tensor,
    sets: Tensor | None,
    *,
    mse_weight: float,
    by_photos: bool = False,
) -> Tensor:
    """1 - PLCC + mse_weight * squared error, taken within each data set and averaged over them.

    Args:
        predicted: (n,).
        target: (n,).
        sets: Number of each photo's set, (n,); None: all are one.
        mse_weight: Weight of the mean squared error.
        by_photos: A set counts by its photos here; otherwise all sets count alike.
    """
    if sets is None:
        return plcc_loss(predicted, target) + mse_weight * F.mse_loss(predicted, target)
    members = [sets == number for number in torch.unique(sets)]
    members = [own for own in members if int(own.sum()) > 1]
    parts = torch.stack(
        [agreement_loss(predicted[m], target[m], None, mse_weight=mse_weight) for m in members]
    )
    if not by_photos:
        return parts.mean()
    counts = torch.stack([own.sum() for own in members]).to(parts.dtype)
    return (parts * counts).sum() / counts.sum()


def clip_loss(image: Tensor, text: Tensor, *, temperature: float | Tensor) -> Tensor:
    """CLIP's symmetric contrastive loss (Radford et al., 2021; RALI's alignment).

    Args:
        image: Image embeddings, (n, D), any norm.
        text: Their texts' embeddings, (n, D), unit norm.
        temperature: Divides the cosines, > 0; a tensor where it is trained.
    """
    logits = F.normalize(image, dim=-1) @ text.T / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def read_out(
    image: Tensor, bank: Tensor, bank_scores: Tensor, *, temperature: float
) -> tuple[Tensor, Tensor]:
    """RALI's scoring with texts as the basis: the alignment then trains what scoring will read.

    Args:
        image: Image embeddings, (n, D), any norm.
        bank: Text embeddings of the training photos, (N, D), unit norm.
        bank_scores: Their photos' scores, (N,).
        temperature: Divides the cosines, > 0.

    Returns:
        Logits over the bank, (n, N), and scores, (n,).
    """
    logits = F.normalize(image, dim=-1) @ bank.T / temperature
    return logits, logits.softmax(dim=-1) @ bank_scores


def basis_read(
    rows: Tensor, components: Tensor, centroids: Tensor, scores: Tensor, *, temperature: float
) -> Tensor:
    """RALI's scoring definition as `ralikit.model.head.Head.score` has it, differentiable.

    Args:
        rows: Embeddings with the PCA's mean taken off, (n, D).
        components: The projection, (M, D).
        centroids: The basis, (K, M), any norm.
        scores: Of the centroids, (K,).
        temperature: Divides the cosines, > 0.
    """
    z = F.normalize(rows @ components.T, dim=-1)
    basis = F.normalize(centroids, dim=-1)
    return (z @ basis.T / temperature).softmax(dim=-1) @ scores


def basis_pull(
    centroids: Tensor, scores: Tensor, first_centroids: Tensor, first_scores: Tensor
) -> Tensor:
    """Mean squared distance of a basis, (K, M) and (K,), from where clustering had put it."""
    away = (centroids - first_centroids).square().sum(dim=-1).mean()
    return away + (scores - first_scores).square().mean()


def soft_contrastive_loss(
    logits: Tensor,
    own_text: Tensor,
    bank: Tensor,
    own_scores: Tensor,
    bank_scores: Tensor,
    *,
    temperature: float,
    sigma: float,
) -> Tensor:
    """Image-to-text contrast with soft targets: KL divergence from what the texts share.

    Many photos have nearly the same text; a one-hot target would push apart what is alike. The
    target over the bank is softmax(cos(own text, text) / temperature - (score gap)^2 / 2 sigma^2).

    Args:
        logits: Image-to-bank logits, (n, N).
        own_text: A text of each image, (n, D), unit norm.
        bank: Bank of texts, (N, D), unit norm.
        own_scores: Scores of the images, (n,), standardised.
        bank_scores: Scores of the bank, (N,), standardised.
        temperature: Of the text-to-text cosines, > 0.
        sigma: Width over which scores count as alike, in standard deviations, > 0.
    """
    gap = own_scores[:, None] - bank_scores[None]
    target = (own_text @ bank.T / temperature - gap.square() / (2 * sigma**2)).softmax(dim=-1)
    entropy = (target * target.clamp_min(1e-12).log()).sum(dim=-1)
    return (entropy - (target * logits.log_softmax(dim=-1)).sum(dim=-1)).mean()


def chain_gaps(severities: Tensor, *, margin: float) -> Tensor:
    """How much lower each degraded copy must score, (n, 2): weak below clean, strong below weak.

    Args:
        severities: Of the weak and strong copies, (n, 2), 0..1.
        margin: Score gap for a severity of 1, in the score's units.
    """
    first = severities[:, 0] * 0.5 + 0.1
    return torch.stack((first, severities[:, 1] - severities[:, 0]), dim=1) * margin


def ranking_loss(scores: Tensor, gaps: Tensor) -> Tensor:
    """Hinge on chains of growing degradation.

    Args:
        scores: Of the clean, weak and strong copies, (n, 3).
        gaps: Wanted gaps, (n, 2).
    """
    return F.relu(gaps - (scores[:, :2] - scores[:, 1:])).mean()


_SHARPNESS = 16.0
"""What a cosine above `_LINE` is multiplied by to be a logit of a reason."""
_LINE = 0.25
_SEEN = 0.35
"""Severity from which on a fault is expected to be seen."""


def reason_loss(
    copies: Tensor,
    severities: Tensor,
    reasons: Tensor,
    good: Tensor,
    axes: Tensor,
) -> Tensor:
    """Logistic loss that puts copies of known fault on that reason's side, and good photos on none.

    The logit of a reason is 16 (cos(e, axis) - 0.25). A copy counts for its own reason where its
    severity is at least 0.35, and half against all others: the photo itself may have those.

    Args:
        copies: Embeddings of the copies, (c, D), any norm.
        severities: Theirs, (c,).
        reasons: Number of each one's fault, (c,); -1: left out.
        good: Embeddings of photos without faults to speak of, (g, D).
        axes: From a reason's good to its bad texts, (K, D), unit norm.
    """
    embeddings = F.normalize(torch.cat([copies, good]), dim=-1)
    logits = _SHARPNESS * (embeddings @ axes.T - _LINE)
    target, weight = torch.zeros_like(logits), torch.full_like(logits, 0.5)
    rows = torch.arange(len(copies), device=copies.device)
    known = reasons >= 0
    weight[: len(copies)][~known] = 0.0
    target[rows[known], reasons[known]] = 1.0
    own = (severities >= _SEEN).to(weight.dtype) * 4.0
    weight[rows[known], reasons[known]] = own[known]
    losses = F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="sum")
    return losses / weight.sum().clamp_min(1.0)
