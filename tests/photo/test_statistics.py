"""Photo statistics: each answers to what it is named after."""

from __future__ import annotations

import numpy as np
import pytest
from support_photo import textured

from ralikit.photo.statistics import measure
from ralikit.train.rali.augment import worsen


def test_each_statistic_answers_to_its_own_degradation() -> None:
    photo = textured()
    base, rng = measure(photo), np.random.default_rng(1)
    assert measure(worsen(photo, "blur", 0.5, rng)).sharpness < base.sharpness - 0.5
    assert measure(worsen(photo, "noise", 0.5, rng)).noise > base.noise + 0.5
    assert measure(worsen(photo, "dark", 0.5, rng)).brightness < 0.5 * base.brightness
    assert measure(worsen(photo, "jpeg", 1.0, rng)).blocking > base.blocking + 0.3
    gray = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert measure(gray).colourfulness == pytest.approx(0.0, abs=1e-3)
    assert measure(np.full((64, 64, 3), 255, np.uint8)).clipping == 1.0
    assert measure(photo).blocking == pytest.approx(1.0, abs=0.1)
    with pytest.raises(ValueError, match="too small"):
        measure(photo[:20])
