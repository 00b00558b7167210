"""The folded scorer: normalisation, tower, view averaging, PCA and basis as one torch module."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ralikit.model.bundle import Bundle
from ralikit.model.head import Head
from ralikit.model.reasons_head import ReasonsHead
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


class ReasonsRead(nn.Module):
    """The reasons' read-out as layers; equal to `ReasonsHead.values` up to float32 rounding."""

    def __init__(self, head: ReasonsHead) -> None:
        super().__init__()
        self.normalize = head.normalize
        self.hidden: nn.Linear | None = None
        if head.hidden_weight is not None and head.hidden_bias is not None:
            self.hidden = _linear(head.hidden_weight, head.hidden_bias)
        self.weigh = _linear(head.weight, head.bias)

    def forward(self, embedding: Tensor) -> Tensor:
        """Reasons of embeddings, (n, D) -> (n, K), each 0..1."""
        x = _unit(embedding) if self.normalize else embedding
        if self.hidden is not None:
            x = torch.relu(self.hidden(x))
        return torch.sigmoid(self.weigh(x))


def reads_embedding(layer: str) -> bool:
    """Whether a layer, by its name in the folded scorer, follows the tower: it stays float32."""
    return layer.split(".", 1)[0] in ("head", "reasons")


class Folded(nn.Module):
    """(V, S, S, 3) pixels of one photo, uint8 or float in 0..255 -> its score, (1,).

    Args:
        tower: The tower; its weights are used as they are.
        head: The fitted read-out.
        mean: Per-channel mean of the preprocessing, on 0..1.
        std: Per-channel divisor of the preprocessing, on 0..1.
        view_pool: What is averaged over the views: ``"embedding"`` or ``"score"``.
        reasons: The bank's read-out, or None; it reads the embedding averaged over the views.

    Attributes:
        outputs: What `forward` gives; see `with_outputs`.
        normalises: Whether pixels are normalised here, or by the tower's first layer's weights.
        planar: Whether the views come as (V, 3, S, S).
    """

    def __init__(
        self,
        tower: Tower,
        head: Head,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        view_pool: str,
        reasons: ReasonsHead | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.head = BasisHead(head)
        self.reasons = None if reasons is None else ReasonsRead(reasons)
        self.view_pool = view_pool
        self.outputs: tuple[str, ...] = ("score",)
        self.normalises = True
        self.planar = False
        spread = torch.tensor(std, dtype=torch.float64)
        offset = -torch.tensor(mean, dtype=torch.float64) / spread
        self.register_buffer("gain", (1.0 / (255.0 * spread)).float().view(1, 3, 1, 1))
        self.register_buffer("offset", offset.float().view(1, 3, 1, 1))
        self.gain: Tensor
        self.offset: Tensor

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Score one photo from its views: the score, (1,), or a tuple of `outputs`.

        The embedding has shape (1, D), the reasons (K,).
        """
        each = self.tower(self.pixels(image))  # (V, D)
        if self.view_pool == "embedding":
            each = each.mean(dim=0, keepdim=True)  # (1, D)
        score: Tensor = self.head(each)
        if self.view_pool == "score":
            score = score.mean(dim=0, keepdim=True)
        if self.outputs == ("score",):
            return score
        if self.view_pool == "score":
            each = each.mean(dim=0, keepdim=True)
        given = {"score": score, "embedding": each}
        if self.reasons is not None:
            given["reasons"] = self.reasons(each).flatten()
        return tuple(given[name] for name in self.outputs)

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
        pixels = image.to(torch.float32)
        pixels = pixels if self.planar else pixels.permute(0, 3, 1, 2)
        return pixels * self.gain + self.offset if self.normalises else pixels


def with_outputs(folded: Folded, outputs: tuple[str, ...]) -> Folded:
    """The same scorer, its weights shared, giving other outputs and holding no layer for the rest.

    Args:
        folded: The folded scorer; it is not changed.
        outputs: The score first, e.g. ``("score", "reasons")``.
    """
    surplus = folded.reasons is not None and "reasons" not in outputs
    if outputs == folded.outputs and not surplus:
        return folded
    other = copy.copy(folded)  # the same submodules, another attribute
    other.outputs = outputs
    if surplus:
        other._modules = {k: None if k == "reasons" else m for k, m in folded._modules.items()}
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
        reasons=bundle.reasons(),
    )
    return folded.eval().requires_grad_(False)


def _unit(x: Tensor) -> Tensor:
    # MUL, SUM, RSQRT: the form every target has a kernel for. Graphs stay finite on a zero vector.
    return x * torch.rsqrt((x * x).sum(dim=-1, keepdim=True).clamp_min(1e-24))


def _linear(weight: object, bias: object) -> nn.Linear:
    outputs, inputs = _tensor(weight).shape
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight.copy_(_tensor(weight))
        layer.bias.copy_(_tensor(bias))
    return layer


def _tensor(array: object) -> Tensor:
    return torch.tensor(array, dtype=torch.float64)  # a copy: files give read-only arrays
