"""Graded degradations of training photos: a stronger one leads farther away."""

from __future__ import annotations

import numpy as np
from support_photo import textured

from ralikit.train.rali.augment import worsen


def test_degradation_grows_with_severity() -> None:
    photo = textured()
    for kind in ("blur", "noise", "jpeg", "dark"):
        away = [
            np.abs(worsen(photo, kind, s, np.random.default_rng(0)).astype(int) - photo).mean()
            for s in (0.0, 0.5, 1.0)
        ]
        assert away[0] < away[1] < away[2]
