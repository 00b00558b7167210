"""The read-out, by hand and by what must not change it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support import make_head

from ralikit.model.head import Head, basis_score, unit


def test_two_centroids_by_hand() -> None:
    z = np.array([[1.0, 0.0]])
    centroids = np.array([[1.0, 0.0], [0.0, 1.0]])
    scores = np.array([5.0, 1.0])
    # cosines 1 and 0, temperature 1: weights e/(e+1), 1/(e+1)
    expected = (5 * math.e + 1) / (math.e + 1)
    assert basis_score(z, centroids, scores, temperature=1.0) == pytest.approx([expected])
    # a small temperature trusts the nearest centroid
    assert basis_score(z, centroids, scores, temperature=0.01) == pytest.approx([5.0])


def test_a_point_between_two_centroids_scores_halfway() -> None:
    z = unit(np.array([[1.0, 1.0]]))
    got = basis_score(z, np.eye(2), np.array([2.0, 4.0]), temperature=0.07)
    assert got == pytest.approx([3.0])


def test_rotating_the_compressed_axes_leaves_scores_alone() -> None:
    head = make_head()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    rotated = Head(
        pca_mean=head.pca_mean,
        pca_components=rotation @ head.pca_components,
        pca_scale=head.pca_scale,
        centroids=head.centroids @ rotation.T,
        scores=head.scores,
        temperature=head.temperature,
        normalize=head.normalize,
    )
    x = np.random.default_rng(2).normal(size=(20, 6))
    np.testing.assert_allclose(head.score(x), rotated.score(x), atol=1e-12)


def test_scores_stay_inside_the_range_of_the_basis() -> None:
    x = np.random.default_rng(3).normal(size=(500, 6)) * 100
    got = make_head().score(x)
    assert got.min() >= 1.0
    assert got.max() <= 5.0
    assert got.std() > 0.1


def test_wrong_shapes_and_nan_are_refused() -> None:
    head = make_head()
    with pytest.raises(ValueError, match="5 features, the PCA has 6"):
        head.score(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="z has 3 features, centroids have 2"):
        basis_score(np.zeros((1, 3)), np.eye(2), np.ones(2), temperature=1.0)
    bad = head.scores.copy()
    bad[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        Head(**{**head.__dict__, "scores": bad})
    with pytest.raises(ValueError, match="temperature"):
        Head(**{**head.__dict__, "temperature": 0.0})
