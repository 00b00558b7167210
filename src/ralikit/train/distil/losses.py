"""What a small scorer is trained on: the teacher's embeddings, scores and order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def missed_variance(embeddings: Tensor, target: Tensor, variance: float) -> Tensor:
    """Share of the teacher's variance that the embeddings miss, 1 - R^2.

    Embeddings of one tower have a common mean that makes every cosine high; what tells photos apart
    is what they vary by, so errors are held against that.

    Args:
        embeddings: (n, D).
        target: The teacher's, (n, D).
        variance: Mean squared distance of the teacher's embeddings from their mean, over all
            training photos.
    """
    return (embeddings - target).square().sum(dim=-1).mean() / variance


def order_loss(scores: Tensor, target: Tensor) -> Tensor:
    """Hinge that keeps each pair of a photo and its copies as far apart as the teacher has it.

    A pair may stand further apart; the wrong way round or closer costs what is missing.

    Args:
        scores: Of the photo, its weak and its strong copy, (n, 3).
        target: The teacher's, (n, 3), in the same units.
    """
    losses = []
    for first, second in ((0, 1), (1, 2), (0, 2)):
        gap = target[:, first] - target[:, second]
        own = scores[:, first] - scores[:, second]
        losses.append(F.relu(gap.abs() - torch.sign(gap) * own))
    return torch.stack(losses).mean()
