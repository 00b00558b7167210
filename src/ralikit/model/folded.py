"""The folded scorer: normalisation, tower, view averaging, PCA and basis as one torch module."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ralikit.model.bundle import Bundle
from ralikit.model.head import Head
from ralikit.model.towers import load_tower
from ralikit.model.towers.base import Tower


class BasisHead(nn.Module):
    """PCA, unit norm and the scored basis with everything constant folded.

    The PCA mean is in the bias, centroids are at unit norm and divided by the temperature. Equal to
    `Head.score` up to float32 rounding.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        mean, scale = _tensor(head.pca_mean), _tensor(head.pca_scale)
        components = _tensor(head.pca_components) / scale  # (M, D)
        centroids = nn.functional.normalize(_tensor(head.centroids), dim=1)
        self.normalize = head.normalize
        self.project = nn.Linear(head.dim, len(components))
        self.basis = nn.Linear(centroids.shape[1], len(centroids), bias=False)
        self.register_buffer("scores", _tensor(head.scores).float())
        self.scores: Tensor
        with torch.no_grad():
            self.project.weight.copy_(components)
            self.project.bias.copy_(-(components @ mean))
            self.basis.weight.copy_(centroids / head.temperature)

    def forward(self, embedding: Tensor) -> Tensor:
        """Score embeddings, (n, D) -> (n,)."""
        if self.normalize:
            embedding = _unit(embedding)
        z = _unit(self.project(embedding))  # (n, M)
        weights = torch.softmax(self.basis(z), dim=-1)  # (n, K)
        return (weights * self.scores).sum(dim=-1)


class Folded(nn.Module):
    """(V, S, S, 3) pixels of one photo, uint8 or float in 0..255 -> its score, (1,).

    Args:
        tower: The tower; its weights are used as they are.
        head: The fitted read-out.
        mean: Per-channel mean of the preprocessing, on 0..1.
        std: Per-channel divisor of the preprocessing, on 0..1.
        view_pool: What is averaged over the views: ``"embedding"`` or ``"score"``.

    Attributes:
        outputs: What `forward` gives; see `with_outputs`.
        normalises: Whether pixels are normalised here, or by the tower's first layer's weights.
    """

    def __init__(
        self,
        tower: Tower,
        head: Head,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        view_pool: str,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.head = BasisHead(head)
        self.view_pool = view_pool
        self.outputs: tuple[str, ...] = ("score",)
        self.normalises = True
        spread = torch.tensor(std, dtype=torch.float64)
        offset = -torch.tensor(mean, dtype=torch.float64) / spread
        self.register_buffer("gain", (1.0 / (255.0 * spread)).float().view(1, 3, 1, 1))
        self.register_buffer("offset", offset.float().view(1, 3, 1, 1))
        self.gain: Tensor
        self.offset: Tensor

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Score one photo from its views: the score, or (score, embedding), (1,) and (1, D)."""
        each = self.tower(self.pixels(image))  # (V, D)
        if self.view_pool == "embedding":
            each = each.mean(dim=0, keepdim=True)  # (1, D)
        score: Tensor = self.head(each)
        if self.view_pool == "score":
            score = score.mean(dim=0, keepdim=True)
        if self.outputs == ("score",):
            return score
        return score, each if self.view_pool == "embedding" else each.mean(dim=0, keepdim=True)

    def many(self, photos: Tensor) -> Tensor:
        """Score several photos in one pass through the tower, (B, V, S, S, 3) -> (B,)."""
        count = photos.shape[:2]
        each = self.tower(self.pixels(photos.flatten(0, 1))).view(*count, -1)  # (B, V, D)
        if self.view_pool == "embedding":
            pooled: Tensor = self.head(each.mean(dim=1))
            return pooled
        scores: Tensor = self.head(each.flatten(0, 1)).view(count)
        return scores.mean(dim=1)

    def pixels(self, image: Tensor) -> Tensor:
        """What the tower is given, (n, S, S, 3) in 0..255 -> (n, 3, S, S) float32."""
        pixels = image.to(torch.float32).permute(0, 3, 1, 2)
        return pixels * self.gain + self.offset if self.normalises else pixels


def with_outputs(folded: Folded, outputs: tuple[str, ...]) -> Folded:
    """The same scorer, its weights shared, giving the score or (score, embedding).

    Args:
        folded: The folded scorer; it is not changed.
        outputs: ``("score",)`` or ``("score", "embedding")``.
    """
    if outputs == folded.outputs:
        return folded
    other = copy.copy(folded)  # the same submodules, another attribute
    other.outputs = outputs
    return other


def fold(bundle: Bundle, *, tower: Tower | None = None) -> Folded:
    """Build a bundle's folded scorer, float32, in evaluation mode.

    Args:
        bundle: The model.
        tower: A tower to put in the place of the bundle's own.
    """
    info = bundle.info
    folded = Folded(
        tower or load_tower(bundle),
        bundle.head(),
        mean=info.preprocess.mean,
        std=info.preprocess.std,
        view_pool=info.view_pool,
    )
    return folded.eval().requires_grad_(False)


def _unit(x: Tensor) -> Tensor:
    # MUL, SUM, RSQRT: the form every target has a kernel for. Graphs stay finite on a zero vector.
    return x * torch.rsqrt((x * x).sum(dim=-1, keepdim=True).clamp_min(1e-24))


def _tensor(array: object) -> Tensor:
    return torch.tensor(array, dtype=torch.float64)  # a copy: files give read-only arrays
