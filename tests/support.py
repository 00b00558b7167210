"""Small made-up parts that several tests build on."""

from __future__ import annotations

import numpy as np

from ralikit.head import Head


def make_head(*, dim: int = 6, width: int = 4, count: int = 5, seed: int = 0) -> Head:
    """A random head with orthonormal components."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(dim, dim)))
    return Head(
        pca_mean=rng.normal(size=dim),
        pca_components=q[:width],
        pca_scale=rng.uniform(0.5, 2.0, size=dim),
        centroids=rng.normal(size=(count, width)),
        scores=np.linspace(1, 5, count),
        temperature=0.1,
        normalize=False,
    )
