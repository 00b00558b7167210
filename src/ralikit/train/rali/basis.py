"""Compression and basis (RALI, section on feature compression): PCA, then bucketed k-means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import UsageError
from ralikit.extras import require
from ralikit.model.head import unit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pca:
    """A fitted projection: z = components (x - mean).

    Attributes:
        mean: Mean of the training embeddings, (D,).
        components: Orthonormal rows, most variance first, (M, D).
        explained: Share of the variance each one holds, (M,).
    """

    mean: Floats
    components: Floats
    explained: Floats


def fit_pca(embeddings: NDArray[np.floating], dim: int) -> Pca:
    """Fit a PCA without whitening.

    Args:
        embeddings: Training embeddings, (n, D).
        dim: Width of the compressed space, M.

    Raises:
        UsageError: If M is more than D or than the number of photos.
    """
    x = np.asarray(embeddings, dtype=np.float64)
    if not 1 <= dim <= min(x.shape):
        raise UsageError(
            f"the PCA's width must lie in 1..{min(x.shape)} for {x.shape[0]} embeddings of "
            f"{x.shape[1]} features, not {dim}"
        )
    mean = x.mean(axis=0)
    _, s, rows = np.linalg.svd(x - mean, full_matrices=False)
    # A sign convention: the same embeddings give the same components on every machine.
    signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
    variance = s**2 / max((s**2).sum(), 1e-30)
    return Pca(mean, (rows * signs[:, None])[:dim], variance[:dim])


def no_pca(embeddings: NDArray[np.floating]) -> Pca:
    """No compression (an ablation of the paper): centred, every feature kept."""
    x = np.asarray(embeddings, dtype=np.float64)
    dim = x.shape[1]
    return Pca(x.mean(axis=0), np.eye(dim), np.full(dim, np.nan))


def allot(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Divide `total` clusters over score buckets (the paper leaves this open; this is ours).

    Every bucket with photos gets one; the rest goes by the number of photos, fractions to the
    largest remainders, and no bucket gets more clusters than photos. Where there are more occupied
    buckets than clusters, each still gets one.

    Args:
        counts: Photos in each bucket, (N,).
        total: Clusters wanted, K.
    """
    got = (counts > 0).astype(np.int64)
    spare = total - int(got.sum())
    while spare > 0:
        room = np.where(counts > got, counts, 0)
        if not room.any():
            break
        share = room / room.sum() * spare
        extra = np.minimum(np.floor(share).astype(np.int64), counts - got)
        left = spare - int(extra.sum())
        order = np.argsort(-(share - np.floor(share)), kind="stable")
        for index in order[counts[order] > (got + extra)[order]][:left]:
            extra[index] += 1
        if not extra.any():
            break
        got += extra
        spare = total - int(got.sum())
    return got


def bucketed_kmeans(
    z: NDArray[np.floating],
    scores: NDArray[np.floating],
    *,
    buckets: int,
    clusters: int,
    seed: int,
    scale: tuple[float, float] = (1.0, 5.0),
) -> tuple[Floats, Floats]:
    """The basis: k-means inside every score bucket; a centroid's score is its members' mean.

    Args:
        z: Compressed embeddings, (n, M), at unit norm or as the projection leaves them.
        scores: Their opinion scores, (n,).
        buckets: Equal buckets over `scale`, N; 1 is plain k-means (an ablation of the paper).
        clusters: Centroids in all, K.
        seed: Of k-means.
        scale: Ends of the score scale.

    Returns:
        Centroids at unit norm, (K, M), and their scores, (K,).

    Raises:
        UsageError: If there are fewer photos than centroids.
    """
    if not 1 <= clusters <= len(z) or buckets < 1:
        raise UsageError(f"{clusters} centroids in {buckets} buckets do not fit {len(z)} photos")
    require("sklearn", extra="train", job="k-means")
    from sklearn.cluster import KMeans

    y = np.asarray(scores, dtype=np.float64)
    low, high = scale
    place = np.clip(((y - low) / (high - low) * buckets).astype(int), 0, buckets - 1)
    centroids, values = [], []
    for bucket, count in enumerate(allot(np.bincount(place, minlength=buckets), clusters)):
        if count == 0:
            continue
        members, opinions = z[place == bucket], y[place == bucket]
        labels = np.zeros(len(members), dtype=int)
        centres = members.mean(axis=0, keepdims=True)
        if count > 1:
            # Identical photos can leave a cluster empty; sklearn then warns and returns fewer.
            distinct = len(np.unique(members, axis=0))
            found = KMeans(min(int(count), distinct), n_init=3, random_state=seed).fit(members)
            labels, centres = found.labels_, found.cluster_centers_
        for index in range(len(centres)):
            centroids.append(centres[index])
            values.append(opinions[labels == index].mean())
    basis = unit(np.asarray(centroids, dtype=np.float64)).astype(np.float64)
    return basis, np.asarray(values, dtype=np.float64)
