"""Settings of the fit stage: compression, basis and scoring definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ralikit.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How an aligned tower becomes a scorer. Defaults are the paper's where it states them, but for
    the temperature.

    Attributes:
        pca: Width of the compressed space, M; None keeps every feature (an ablation).
        buckets: Equal score buckets over the scale, N; 1 is plain k-means (an ablation).
        clusters: Centroids, K.
        temperature: Divides the cosines in scoring. The paper's equation has none (1), but cosines
            alone collapse the range of scores: 1 was measured 0.05 of SRCC below 0.2 on the small
            tower, and 0.05 to 0.2 as ties (`benchmarks/mini.md`).
        normalize: Scale embeddings to unit norm before the PCA. False: U is the PCA of the raw
            embeddings (RALI, eq. 1; the release).
        cluster_on: What k-means sees. ``unit``: compressed embeddings at unit norm, as the cosines
            of the scoring do. ``raw``: as the projection leaves them (RALI, eq. 2); a centroid is
            the mean of its members, long ones weighing more, and scoring then reads its direction.
        steps: Steps of the score fit; 0 leaves the basis as clustered (an ablation).
        learning_rate: Of the score fit's Adam, falling as a cosine (the paper: 3e-2).
        batch: Photos of a step.
        mse_weight: Weight of the squared error (in score variances) beside 1 - PLCC.
        keep: Pull of centroids and scores back to where clustering put them: fitted freely, basis
            scores leave the scale and cannot be read as opinions any more.
        tower_rate: Learning rate of the tower, which the score fit then trains too, end to end on
            training views (the alignment's crops, in batches of `batch`); falls as the other rate
            does. 0 keeps the aligned tower, as the paper's "centroids and scores are fine-tuned"
            reads.
        fit_projection: Whether U, the PCA's projection, is fitted too.
        balance: As in the alignment: share of a step that each data set gets, photos then being
            compared within a set; None: as they come.
        chains: Photos whose two degraded copies take part in the score fit.
        rank_weight: Weight of the ranking loss on them.
        margin: Score gap, in standard deviations, asked for a degradation of severity 1.
        photos: Training photos drawn for the fit; None: all of them.
        anchors: Views of a photo averaged for the fit; None takes the preprocessing's.
        seed: Of k-means and of the fit.
    """

    pca: int | None = 512
    buckets: int = 240
    clusters: int = 250
    temperature: float = 0.2
    normalize: bool = False
    cluster_on: Literal["unit", "raw"] = "unit"
    steps: int = 300
    learning_rate: float = 3e-2
    batch: int = 512
    mse_weight: float = 1.0
    keep: float = 0.0
    tower_rate: float = 0.0
    fit_projection: bool = False
    balance: float | None = None
    chains: int = 0
    rank_weight: float = 1.0
    margin: float = 0.8
    photos: int | None = None
    anchors: tuple[tuple[float, float], ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not self.learning_rate > 0:
            raise UsageError("temperature and learning_rate must be above 0")
        if self.steps < 0 or self.chains < 0 or self.keep < 0:
            raise UsageError("steps, chains and keep must not be negative")
        if self.tower_rate < 0:
            raise UsageError(f"tower_rate must not be negative, not {self.tower_rate}")
        if self.tower_rate and not self.steps:
            raise UsageError("tower_rate trains the tower in the score fit: steps must be above 0")
        if self.photos is not None and self.photos < 2:
            raise UsageError(f"photos must be at least 2, not {self.photos}")
        if self.clusters < 2 or self.buckets < 1 or self.batch < 2:
            raise UsageError("clusters and batch must be at least 2, buckets at least 1")
