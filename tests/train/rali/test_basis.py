"""PCA, the division of clusters over buckets, and bucketed k-means."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import UsageError
from ralikit.model.head import unit
from ralikit.train.rali.basis import allot, bucketed_kmeans, fit_pca


def test_pca_finds_the_planted_axes_and_keeps_distances() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)) * np.array([10, 5, 1, 0.0, 0.0]) + 7
    pca = fit_pca(x, 3)
    np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(3), atol=1e-12)
    assert abs(pca.components[0, 0]) > 0.99
    z = (x - pca.mean) @ pca.components.T
    np.testing.assert_allclose(np.linalg.norm(z[0] - z[1]), np.linalg.norm(x[0] - x[1]), rtol=1e-9)
    with pytest.raises(UsageError, match=r"1\.\.5"):
        fit_pca(x, 6)


def test_every_occupied_bucket_gets_one_and_the_rest_goes_by_size() -> None:
    assert allot(np.array([10, 0, 1, 89]), 12).tolist() == [2, 0, 1, 9]
    assert allot(np.array([1, 1, 1]), 2).tolist() == [1, 1, 1]  # more buckets than clusters
    assert allot(np.array([2, 2]), 10).tolist() == [2, 2]  # never more than photos
    counts = np.random.default_rng(0).integers(0, 40, size=50)
    got = allot(counts, 250)
    assert got.sum() == 250
    assert (got <= counts).all()
    assert ((got > 0) == (counts > 0)).all()


def test_centroids_carry_the_mean_score_of_their_members() -> None:
    z = unit(np.array([[1, 0.0], [1, 0.02], [0, 1], [0.02, 1.0]]))
    scores = np.array([1.1, 1.3, 4.5, 4.7])
    centroids, values = bucketed_kmeans(z, scores, buckets=2, clusters=2, seed=0)
    np.testing.assert_allclose(np.sort(values), [1.2, 4.6])
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1.0)
    # photos of unlike scores never share a centroid, however alike they look
    same = unit(np.ones((4, 2)))
    _, values = bucketed_kmeans(same, scores, buckets=2, clusters=2, seed=0)
    np.testing.assert_allclose(np.sort(values), [1.2, 4.6])
    with pytest.raises(UsageError, match="do not fit 4 photos"):
        bucketed_kmeans(z, scores, buckets=2, clusters=5, seed=0)
