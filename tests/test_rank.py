"""Places, and photos too close to be told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralikit.errors import UsageError
from ralikit.rank import check_quality, rank
from ralikit.scorer import Score


def score(value: float, name: str = "x", **qualities: float) -> Score:
    return Score(
        qualities=qualities,
        value=value,
        minimum=1.0,
        maximum=5.0,
        tie_width=0.2,
        source=name,
        width=1,
        height=1,
        notes=(),
        runtime="none",
    )


def places(values: list[float], tie_width: float | None) -> list[tuple[float, int, bool]]:
    ranked = rank([score(v) for v in values], tie_width=tie_width)
    return [(item.score.value, item.place, item.tied) for item in ranked]


def test_close_scores_share_the_best_place_of_their_group() -> None:
    assert places([3.0, 4.0, 3.9, 3.85, 3.1], 0.2) == [
        (4.0, 1, True),
        (3.9, 1, True),
        (3.85, 1, True),
        (3.1, 4, True),
        (3.0, 4, True),
    ]


def test_exactly_one_tie_width_apart_is_told_apart() -> None:
    assert places([4.0, 3.75], 0.25) == [(4.0, 1, False), (3.75, 2, False)]


def test_without_a_measured_tie_width_only_equal_scores_tie() -> None:
    assert places([2.0, 2.0, 1.9], None) == [(2.0, 1, True), (2.0, 1, True), (1.9, 3, False)]


@given(st.lists(st.floats(1, 5), max_size=30), st.floats(0, 1))
def test_groups_are_never_wider_than_the_tie_width(values: list[float], width: float) -> None:
    ranked = rank([score(v) for v in values], tie_width=width)
    assert [r.score.value for r in ranked] == sorted(values, reverse=True)
    for place in {r.place for r in ranked}:
        group = [r.score.value for r in ranked if r.place == place]
        assert max(group) - min(group) <= width
        assert all(r.tied == (len(group) > 1) for r in ranked if r.place == place)
        assert sum(r.place < place for r in ranked) == place - 1


def test_by_a_quality_the_scores_own_order_does_not_count() -> None:
    photos = [score(4.0, "a", colour=0.2), score(1.0, "b", colour=0.9), score(2.0, "c", colour=0.2)]
    ranked = rank(photos, tie_width=None, by="colour")
    assert [(r.score.source, r.place, r.tied, r.value) for r in ranked] == [
        ("b", 1, False, 0.9),
        ("a", 2, True, 0.2),
        ("c", 2, True, 0.2),
    ]


def test_what_no_bank_knows_cannot_be_ranked_by() -> None:
    with pytest.raises(UsageError, match="no bank of reasons"):
        rank([score(1.0)], tie_width=None, by="sharpness")
    with pytest.raises(UsageError, match=r"knows colour$"):
        rank([score(1.0, colour=0.5)], tie_width=None, by="sharpness")
    check_quality("exposure", ["exposure", "exposure"], model="mini")
