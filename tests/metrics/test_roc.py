"""The area under the ROC curve, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.metrics.roc import area


def test_area_counts_pairs_in_order_and_ties_half() -> None:
    positive, negative = np.array([0.9, 0.4]), np.array([0.4, 0.1, 0.5])
    # 0.9 above all three; 0.4 above 0.1, level with 0.4, below 0.5.
    assert area(positive, negative) == pytest.approx((3 + 1.5) / 6)
    assert area(negative, positive) == pytest.approx(1 - (3 + 1.5) / 6)


def test_area_needs_both_groups() -> None:
    assert area(np.array([]), np.array([1.0])) is None
    assert area(np.array([1.0]), np.array([])) is None
