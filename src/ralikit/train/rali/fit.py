"""From aligned embeddings to a scorer: PCA, bucketed k-means, and the fit of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.errors import TrainingError
from ralikit.model.head import Head, unit
from ralikit.train.rali import losses
from ralikit.train.rali.basis import bucketed_kmeans, fit_pca, no_pca
from ralikit.train.rali.fit_settings import FitSettings

Floats = NDArray[np.floating]

_TOLD_APART = 1e-4
"""Share of their size by which features, or scores on their scale, must differ over all photos:
rounding alone makes 1e-6, and PCA would blow that up to a basis of noise."""


@dataclass(frozen=True)
class Chains:
    """Embeddings of views and their degraded copies, (n, 3, D), and severities, (n, 2)."""

    embeddings: Floats
    severities: Floats


def fit_head(
    embeddings: Floats,
    scores: Floats,
    settings: FitSettings,
    *,
    chains: Chains | None = None,
    scale: tuple[float, float] = (1.0, 5.0),
    sets: NDArray[np.int64] | None = None,
) -> Head:
    """Fit the read-out of RALI.

    Args:
        embeddings: Of the training photos, (n, D), averaged over views.
        scores: Their MOS, (n,), on `scale`.
        settings: How.
        chains: Degraded copies for the score fit, where `settings.chains` asks for them.
        scale: Ends of the score scale; centroid scores never leave it.
        sets: Number of each photo's data set, (n,), for the settings' balance.

    Raises:
        UsageError: If PCA or basis do not fit the number of photos.
        TrainingError: If the photos or the scores they would get are all the same, or the fit's
            loss is not finite.
    """
    x = unit(embeddings) if settings.normalize else np.asarray(embeddings, dtype=np.float64)
    if np.ptp(x, axis=0).max() < _TOLD_APART * np.abs(x).max():
        raise TrainingError(
            f"the tower's features of all {len(x)} photos are the same: are they copies of one "
            "photo?"
        )
    pca = no_pca(x) if settings.pca is None else fit_pca(x, settings.pca)
    head = Head(
        pca_mean=pca.mean,
        pca_components=pca.components,
        pca_scale=np.ones_like(pca.mean),
        centroids=np.eye(len(pca.components))[:2],
        scores=np.zeros(min(2, len(pca.components))),
        temperature=settings.temperature,
        normalize=settings.normalize,
    )
    centroids, values = bucketed_kmeans(
        head.project(embeddings) if settings.cluster_on == "unit" else head.compress(embeddings),
        scores,
        buckets=settings.buckets,
        clusters=settings.clusters,
        seed=settings.seed,
        scale=scale,
    )
    parts = {"pca_components": pca.components, "centroids": centroids, "scores": values}
    if settings.steps:
        centred = (x - pca.mean).astype(np.float32)
        own = None if settings.balance is None else sets
        parts = _fit_scores(centred, scores, parts, settings, _centre(chains, head), scale, own)
    fitted = Head(
        pca_mean=pca.mean,
        pca_scale=np.ones_like(pca.mean),
        temperature=settings.temperature,
        normalize=settings.normalize,
        **parts,
    )
    given = fitted.score(embeddings)
    if np.ptp(given) < _TOLD_APART * (scale[1] - scale[0]):
        raise TrainingError(
            f"the fitted scorer gives all {len(given)} photos the same score, {given[0]:.2f}: "
            "are they all labelled alike?"
        )
    return fitted


def _centre(chains: Chains | None, head: Head) -> Chains | None:
    if chains is None:
        return None
    x = unit(chains.embeddings) if head.normalize else chains.embeddings
    return Chains((x - head.pca_mean).astype(np.float32), chains.severities)


def _fit_scores(
    centred: NDArray[np.float32],
    scores: Floats,
    start: dict[str, NDArray[np.float64]],
    settings: FitSettings,
    chains: Chains | None,
    scale: tuple[float, float],
    sets: NDArray[np.int64] | None,
) -> dict[str, NDArray[np.float64]]:
    """Fine-tune the scoring definition (RALI: centroids and scores on image-score pairs).

    The paper names no loss. Here: 1 - PLCC + mse_weight * MSE / variance + keep * squared distance
    from the clustered basis + rank_weight * hinge on degraded copies / spread. Scores are held on
    the scale after every step.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    x = torch.from_numpy(centred)
    y = torch.from_numpy(np.asarray(scores, dtype=np.float32))
    fitted = {k: torch.from_numpy(v.astype(np.float32)) for k, v in start.items()}
    origin = {k: v.clone() for k, v in fitted.items()}
    moving = ["centroids", "scores"] + (["pca_components"] if settings.fit_projection else [])
    for name in moving:
        fitted[name].requires_grad_()
    optimizer = torch.optim.Adam([fitted[n] for n in moving], lr=settings.learning_rate)
    spread = y.std()
    groups = None if sets is None else torch.from_numpy(sets)
    drawn_by = _draw_weights(sets, settings.balance)

    def read(rows: Tensor) -> Tensor:
        return losses.basis_read(
            rows,
            fitted["pca_components"],
            fitted["centroids"],
            fitted["scores"],
            temperature=settings.temperature,
        )

    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = (
                settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            )
        if drawn_by is None:
            rows = torch.randint(len(y), (settings.batch,), generator=generator)
        else:
            rows = torch.multinomial(drawn_by, settings.batch, True, generator=generator)
        loss = losses.agreement_loss(
            read(x[rows]) / spread,
            y[rows] / spread,
            None if groups is None else groups[rows],
            mse_weight=settings.mse_weight,
        )
        if settings.keep:
            loss = loss + settings.keep * losses.basis_pull(
                fitted["centroids"], fitted["scores"], origin["centroids"], origin["scores"]
            )
        if chains is not None and settings.rank_weight:
            drawn = torch.randint(
                len(chains.severities), (settings.batch // 2,), generator=generator
            )
            severities = torch.from_numpy(chains.severities).float()[drawn]
            gaps = losses.chain_gaps(severities, margin=settings.margin) * spread
            ranked = losses.ranking_loss(read(torch.from_numpy(chains.embeddings)[drawn]), gaps)
            loss = loss + settings.rank_weight * ranked / spread
        if not bool(torch.isfinite(loss)):
            raise TrainingError(f"the score fit's loss became {float(loss)} at step {step}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            fitted["scores"].clamp_(*scale)
    found = {k: v.detach().double().numpy() for k, v in fitted.items()}
    found["centroids"] = unit(found["centroids"])
    return found


def _draw_weights(sets: NDArray[np.int64] | None, balance: float | None) -> Tensor | None:
    """How often each photo is drawn, (n,), so that sets come in proportion to count ** balance."""
    if sets is None or balance is None:
        return None
    counts = np.bincount(sets).astype(np.float64)
    return torch.from_numpy(np.where(counts > 0, counts, 1.0)[sets] ** (balance - 1.0))
