"""The fit of scores, projection and degraded copies on made-up embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ralikit.errors import TrainingError
from ralikit.train.rali.basis import bucketed_kmeans, fit_pca
from ralikit.train.rali.fit import Chains, _draw_weights, fit_head
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


def test_the_clustered_basis_is_k_means_of_unit_norm_embeddings() -> None:
    rng = np.random.default_rng(4)
    scores = rng.uniform(1, 5, size=120)
    # Directions in two bunches a bucket; lengths that would lead k-means elsewhere.
    angle = rng.choice([0.3, 1.2], size=120) + rng.normal(size=120) * 0.02
    rays = np.stack([np.cos(angle), np.sin(angle), rng.normal(size=120) * 0.01], axis=1)
    x = rays * rng.choice([1.0, 8.0], size=(120, 1)) * rng.choice([-1.0, 1.0], size=(120, 1))
    settings = FitSettings(pca=2, buckets=2, clusters=8, steps=0)
    head = fit_head(x, scores, settings)
    z = (x - x.mean(axis=0)) @ fit_pca(x, 2).components.T
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    wanted, values = bucketed_kmeans(z, scores, buckets=2, clusters=8, seed=0)
    np.testing.assert_allclose(head.centroids, wanted, atol=1e-6)
    np.testing.assert_allclose(head.scores, values, atol=1e-6)


def test_the_basis_of_raw_embeddings_is_k_means_of_their_lengths_too() -> None:
    # One bucket, one direction a bunch, but lengths 1 and 8: k-means tells lengths apart, and a
    # centroid of members (1, 0) and (0, 3) points where their sum does, not between them.
    rng = np.random.default_rng(5)
    z = np.array([[1.0, 0.0], [0.0, 3.0], [-40.0, -30.0], [39.0, 27.0]])
    x = np.concatenate([z, rng.normal(size=(4, 1)) * 0.0], axis=1)
    scores = np.array([2.0, 2.4, 4.0, 4.8])
    settings = FitSettings(pca=2, buckets=1, clusters=3, steps=0, cluster_on="raw")
    head = fit_head(x, scores, settings)
    own = (x - x.mean(axis=0)) @ head.pca_components.T
    pair = own[:2].mean(axis=0)
    wanted = np.stack([pair, own[2], own[3]])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    order = np.argsort(head.scores)
    np.testing.assert_allclose(head.scores[order], [2.2, 4.0, 4.8])
    np.testing.assert_allclose(head.centroids[order], wanted, atol=1e-9)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_pca_is_of_raw_or_of_unit_norm_embeddings(normalize: bool) -> None:
    x, scores = _made_up(80)
    x *= np.linspace(0.2, 9.0, 80)[:, None]  # lengths that would lead the PCA elsewhere
    settings = FitSettings(pca=3, buckets=4, clusters=6, steps=0, normalize=normalize)
    head = fit_head(x, scores, settings)
    seen = x / np.linalg.norm(x, axis=1, keepdims=True) if normalize else x
    np.testing.assert_allclose(head.pca_mean, seen.mean(axis=0))
    np.testing.assert_allclose(head.pca_components, fit_pca(seen, 3).components)
    assert head.normalize is normalize


def _one_step(x: np.ndarray, scores: np.ndarray, settings: FitSettings) -> dict[str, np.ndarray]:
    """The loss of the fit's first step and its gradient, written out again."""
    start = fit_head(x, scores, replace(settings, steps=0))
    rows = torch.randint(
        len(x), (settings.batch,), generator=torch.Generator().manual_seed(settings.seed)
    )
    z = torch.tensor(start.project(x))[rows]
    y = torch.tensor(scores)[rows]
    basis = torch.tensor(start.centroids, requires_grad=True)
    values = torch.tensor(start.scores, requires_grad=True)
    cosines = z @ (basis / basis.norm(dim=1, keepdim=True)).T
    given = torch.softmax(cosines / settings.temperature, dim=1) @ values
    spread = torch.tensor(scores).std()
    a, b = given - given.mean(), y - y.mean()
    loss = 1 - (a * b).sum() / (a.norm() * b.norm())
    loss = loss + settings.mse_weight * ((given - y) / spread).square().mean()
    loss.backward()
    assert basis.grad is not None
    assert values.grad is not None
    return {
        "centroids": start.centroids,
        "scores": start.scores,
        "to_centroids": basis.grad.numpy(),
        "to_scores": values.grad.numpy(),
    }


@pytest.mark.parametrize("temperature", [0.15, 0.6])
def test_the_first_step_goes_down_the_loss_at_its_temperature(temperature: float) -> None:
    x, scores = _made_up(200)
    settings = FitSettings(
        pca=4, buckets=12, clusters=20, temperature=temperature, steps=1, learning_rate=1e-3
    )
    at = _one_step(x, scores, settings)
    fitted = fit_head(x, scores, settings)
    # Adam's first step is the rate's, against the gradient's sign.
    clear = np.abs(at["to_scores"]) > 1e-4
    assert clear.mean() > 0.5
    np.testing.assert_allclose(
        (fitted.scores - at["scores"])[clear], -1e-3 * np.sign(at["to_scores"])[clear], atol=2e-5
    )
    moved = at["centroids"] - 1e-3 * np.sign(at["to_centroids"])
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    strong = np.abs(at["to_centroids"]).min(axis=1) > 1e-4
    assert strong.any()
    np.testing.assert_allclose(fitted.centroids[strong], moved[strong], atol=2e-5)


def test_the_rate_of_the_fit_falls_as_half_a_cosine() -> None:
    x, scores = _made_up(40)
    settings = FitSettings(
        pca=4, buckets=6, clusters=8, temperature=0.3, learning_rate=1e-3, batch=40_000
    )
    # So large a batch has the same gradient every time: each step is the rate's.
    start, two, four = (fit_head(x, scores, replace(settings, steps=n)) for n in (0, 2, 4))
    moved = np.median(np.abs(two.scores - start.scores))
    assert moved == pytest.approx(1e-3 * (1 + 0.5), rel=0.03)
    moved = np.median(np.abs(four.scores - start.scores))
    rates = [(1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)]
    assert moved == pytest.approx(1e-3 * sum(rates), rel=0.05)


def test_sets_are_drawn_in_proportion_to_a_power_of_their_size() -> None:
    sets = np.array([0] * 90 + [1] * 10)
    for balance, ratio in ((1.0, 9.0), (0.5, 3.0), (0.0, 1.0)):
        weights = _draw_weights(sets, balance)
        assert weights is not None
        assert float(weights[:90].sum() / weights[90:].sum()) == pytest.approx(ratio)
    assert _draw_weights(sets, None) is None
