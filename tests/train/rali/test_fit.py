"""The fit of scores, projection and degraded copies on made-up embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import TrainingError
from ralikit.train.rali.basis import fit_pca
from ralikit.train.rali.fit import Chains, fit_head
from ralikit.train.rali.fit_settings import FitSettings


def _made_up(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings on an arc whose angle is the score, with noise: what an aligned tower gives."""
    rng = np.random.default_rng(1)
    scores = rng.uniform(1.5, 4.5, size=n)
    angle = (scores - 3) * 0.6
    x = np.stack([np.sin(angle), np.cos(angle), *rng.normal(size=(6, n)) * 0.1], axis=1)
    return x + 2.0, scores


def test_fitting_scores_beats_the_clustered_basis_and_stays_on_the_scale() -> None:
    x, scores = _made_up()
    plain = {"pca": 4, "buckets": 20, "clusters": 30, "temperature": 0.3}
    start = fit_head(x, scores, FitSettings(**plain, steps=0))  # type: ignore[arg-type]
    fitted = fit_head(x, scores, FitSettings(**plain, steps=150, keep=0.01))  # type: ignore[arg-type]
    before = np.abs(start.score(x) - scores).mean()
    after = np.abs(fitted.score(x) - scores).mean()
    assert after < 0.8 * before
    assert 1.0 <= fitted.scores.min() <= fitted.scores.max() <= 5.0
    again = fit_head(x, scores, FitSettings(**plain, steps=150, keep=0.01))  # type: ignore[arg-type]
    np.testing.assert_array_equal(fitted.centroids, again.centroids)


def test_photos_that_cannot_be_told_apart_are_refused() -> None:
    x, scores = _made_up(60)
    settings = FitSettings(pca=4, buckets=4, clusters=6, steps=0)
    noise = np.random.default_rng(3).normal(size=x.shape) * 1e-6
    for copies in (np.tile(x[:1], (60, 1)), np.tile(x[:1], (60, 1)) + noise):
        with pytest.raises(TrainingError, match="features of all 60 photos are the same"):
            fit_head(copies, scores, settings)
    with pytest.raises(TrainingError, match=r"all 60 photos the same score, 2\.50"):
        fit_head(x, np.full(60, 2.5), settings)


def test_a_fitted_projection_moves_and_a_kept_one_does_not() -> None:
    x, scores = _made_up(120)
    base = {"pca": 4, "buckets": 10, "clusters": 12, "temperature": 0.3, "steps": 20}
    kept = fit_head(x, scores, FitSettings(**base))  # type: ignore[arg-type]
    moved = fit_head(x, scores, FitSettings(**base, fit_projection=True))  # type: ignore[arg-type]
    np.testing.assert_allclose(kept.pca_components, fit_pca(x, 4).components, atol=1e-6)
    assert np.abs(moved.pca_components - kept.pca_components).max() > 1e-3


def test_degraded_copies_are_pushed_below_their_originals() -> None:
    x, scores = _made_up()
    rng = np.random.default_rng(2)
    # copies whose embeddings the plain fit cannot tell from their originals' scores
    clean = x[:100]
    away = np.zeros_like(clean)
    away[:, 2] = 1.0
    chains = Chains(
        np.stack([clean, clean + 0.5 * away, clean + away], axis=1),
        np.tile(np.array([[0.4, 1.0]]), (100, 1)) + rng.normal(size=(100, 2)) * 0.0,
    )
    base = {"pca": 4, "buckets": 20, "clusters": 30, "temperature": 0.3, "steps": 150}
    without = fit_head(x, scores, FitSettings(**base))  # type: ignore[arg-type]
    trained = fit_head(x, scores, FitSettings(**base, rank_weight=2.0), chains=chains)  # type: ignore[arg-type]

    def drop(head: object) -> float:
        score = head.score  # type: ignore[attr-defined]
        return float((score(chains.embeddings[:, 0]) - score(chains.embeddings[:, 2])).mean())

    assert drop(trained) > drop(without) + 0.1
