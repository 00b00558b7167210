"""Limits refuse what they should, and say which photo and by how much."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import ParityError
from ralikit.export.gate.limits import Limits
from ralikit.export.gate.parity import assert_parity, embedding_shift, parity_of
from ralikit.export.targets import named

LIMITS = {precision.name: precision.limits.trained for precision in named("onnx").precisions}
NAMES = [f"photo {i}" for i in range(100)]
REFERENCE = np.linspace(1, 5, 100)


def test_figures_are_those_of_the_differences() -> None:
    scores = REFERENCE.copy()
    scores[7] += 0.5
    scores[50:60] -= 0.02
    parity = parity_of(NAMES, scores, REFERENCE)
    assert parity.max_drift == pytest.approx(0.5)
    assert parity.p95_drift == pytest.approx(0.02)
    assert parity.worst == "photo 7"
    assert parity.srcc is not None
    assert parity.srcc < 1


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-weights"])
def test_just_over_the_maximum_is_refused_by_name(precision: str) -> None:
    limits = LIMITS[precision]
    assert limits.max_drift is not None
    scores = REFERENCE.copy()
    scores[42] -= limits.max_drift * 0.99
    assert_parity(parity_of(NAMES, scores, REFERENCE), limits, what="mini")
    scores[42] = REFERENCE[42] - limits.max_drift * 1.02
    with pytest.raises(ParityError, match=r"mini: off by .* on photo 42, the limit is"):
        assert_parity(parity_of(NAMES, scores, REFERENCE), limits, what="mini")


def test_int8_forgives_a_rare_photo_but_not_many() -> None:
    scores = REFERENCE.copy()
    scores[:4] += 0.06
    parity = parity_of(NAMES, scores, REFERENCE)
    assert parity.problem(LIMITS["int8"]) is None
    scores[:6] = REFERENCE[:6] + 0.06
    problem = parity_of(NAMES, scores, REFERENCE).problem(LIMITS["int8"])
    assert problem is not None
    assert "95th percentile" in problem


def test_int8_refuses_another_order_of_the_photos() -> None:
    reference = np.linspace(3.0, 3.1, 100)  # a set so even that small drifts reorder it
    scores = reference + np.where(np.arange(100) % 2, 0.01, -0.01)
    problem = parity_of(NAMES, scores, reference).problem(LIMITS["int8"])
    assert problem is not None
    assert "SRCC" in problem


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_named(value: float) -> None:
    scores = REFERENCE.copy()
    scores[3] = value
    with pytest.raises(ParityError, match="photo 3"):
        parity_of(NAMES, scores, REFERENCE)


def test_nan_figures_pass_no_limit() -> None:
    parity = parity_of(NAMES, REFERENCE, REFERENCE)
    broken = type(parity)(**{**vars(parity), "max_drift": float("nan")})
    assert broken.problem(Limits(max_drift=1.0, golden=1.0)) is not None


def test_a_shift_is_held_against_what_tells_photos_apart() -> None:
    reference = np.array([[99.0, 0.0], [101.0, 0.0]])  # far from zero, one apart from their mean
    assert embedding_shift(reference + np.array([0.1, 0.0]), reference) == pytest.approx(0.1)
