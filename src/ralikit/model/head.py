"""RALI's read-out: PCA, then a quality score from a small scored basis. Plain numpy, float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """A fitted basis and the projection that leads to it.

    Attributes:
        pca_mean: Mean of the training embeddings, (D,).
        pca_components: Rows span the compressed space (U^T in the paper), (M, D).
        pca_scale: Per-feature divisor applied after the mean, (D,); ones where there is none.
        centroids: The basis (mu), (K, M); used at unit norm.
        scores: Opinion score of each centroid (f), (K,), on the bundle's scale.
        temperature: Softmax temperature, > 0; cosines are divided by it (the paper's equation: 1).
        normalize: Whether embeddings are scaled to unit norm before the PCA.
    """

    pca_mean: FloatArray
    pca_components: FloatArray
    pca_scale: FloatArray
    centroids: FloatArray
    scores: FloatArray
    temperature: float
    normalize: bool

    def __post_init__(self) -> None:
        dim, width, count = len(self.pca_mean), len(self.pca_components), len(self.scores)
        wanted = {
            "pca_mean": (self.pca_mean, (dim,)),
            "pca_components": (self.pca_components, (width, dim)),
            "pca_scale": (self.pca_scale, (dim,)),
            "centroids": (self.centroids, (count, width)),
            "scores": (self.scores, (count,)),
        }
        for name, (array, shape) in wanted.items():
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds NaN or infinity")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")

    @property
    def dim(self) -> int:
        """Width of the embedding, D."""
        return len(self.pca_mean)

    def project(self, embedding: FloatArray) -> FloatArray:
        """Compress embeddings, (n, D) -> (n, M), at unit norm."""
        return unit(self.compress(embedding))

    def compress(self, embedding: FloatArray) -> FloatArray:
        """Compress embeddings, (n, D) -> (n, M), at the length that the projection gives them."""
        x: FloatArray = np.asarray(embedding, dtype=np.float64)
        if x.shape[-1] != self.dim:
            raise ValueError(f"embeddings have {x.shape[-1]} features, the PCA has {self.dim}")
        if self.normalize:
            x = unit(x)
        z: FloatArray = ((x - self.pca_mean) / self.pca_scale) @ self.pca_components.T
        return z

    def score(self, embedding: FloatArray) -> FloatArray:
        """Scores of embeddings, (n, D) -> (n,), on the bundle's scale."""
        return basis_score(
            self.project(embedding), unit(self.centroids), self.scores, temperature=self.temperature
        )


def basis_score(
    z: FloatArray, centroids: FloatArray, scores: FloatArray, *, temperature: float
) -> FloatArray:
    """Read a quality score off the basis (RALI, scoring definition, with a temperature).

    Args:
        z: Unit-norm image features, (n, M).
        centroids: Unit-norm basis, (K, M).
        scores: Opinion score of each centroid, (K,).
        temperature: Softmax temperature, > 0; smaller trusts the nearest centroid,
            1 is the paper's.

    Returns:
        Scores, (n,), inside the range of `scores`.

    Raises:
        ValueError: If z and centroids differ in width.
    """
    if z.shape[-1] != centroids.shape[-1]:
        raise ValueError(f"z has {z.shape[-1]} features, centroids have {centroids.shape[-1]}")
    logits = z @ centroids.T / temperature  # (n, K)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: FloatArray = (weights / weights.sum(axis=-1, keepdims=True)) @ scores
    return result


def unit(x: FloatArray) -> FloatArray:
    """Scale the last axis to unit norm; a zero vector stays zero."""
    norm = np.linalg.norm(x, axis=-1, keepdims=True)
    scaled: FloatArray = x / np.maximum(norm, 1e-12)
    return scaled
