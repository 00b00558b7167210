"""Which scores are too close to call."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import DataError
from ralikit.train.rali.tie_width import tie_width


def test_resolution_is_the_gap_from_which_pairs_are_ordered() -> None:
    rng = np.random.default_rng(0)
    mos = rng.uniform(1, 5, size=400)
    coarse = tie_width(mos + rng.normal(size=400) * 0.8, mos)
    fine = tie_width(mos + rng.normal(size=400) * 0.2, mos)
    assert 0 < fine < coarse < 2
    with pytest.raises(DataError, match="no score gap"):
        tie_width(rng.normal(size=100), rng.normal(size=100))
    with pytest.raises(DataError, match="at least 30"):
        tie_width(mos[:10], mos[:10])
