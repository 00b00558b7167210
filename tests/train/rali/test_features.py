"""Features of photos: the mean over their views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from support_align import PREPROCESS, photo_files

from ralikit.train.rali.features import cut, over_views
from ralikit.train.rali.photo_store import open_store


def test_a_photos_features_are_the_mean_over_its_views(tmp_path: Path) -> None:
    store = open_store(photo_files(tmp_path, 3), tmp_path / "cache", preprocess=PREPROCESS)
    anchors = ((0.0, 0.0), (1.0, 1.0), (0.5, 0.5))

    def mean_and_spread(views: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = views.reshape(len(views), -1).astype(np.float32)
        return np.stack([rows.mean(axis=1), rows.std(axis=1)], axis=1)

    found = over_views(mean_and_spread, store, range(3), 32, anchors, batch=2)
    for number in range(3):
        each = mean_and_spread(cut(store[number], 32, anchors))
        assert np.ptp(each[:, 1]) > 0  # the views differ
        np.testing.assert_allclose(found[number], each.mean(axis=0), rtol=1e-6)
