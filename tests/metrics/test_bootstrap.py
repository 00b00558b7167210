"""Resamples that hold one photo alone have no correlation, whatever float32 leaves of it."""

from __future__ import annotations

import numpy as np

from ralikit.metrics.bootstrap import logistic_pearson


def test_one_photo_drawn_again_and_again_has_no_correlation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        x, y = rng.normal(size=(2, 3))
        counts = np.vstack([3 * np.eye(3), np.ones(3)])
        found = logistic_pearson(x, y, counts)
        assert np.isnan(found[:3]).all()
        assert 0 <= found[3] <= 1
