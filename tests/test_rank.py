"""Places, and photos too close to be told apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ralikit.rank import rank
from ralikit.scorer import Score


def score(value: float, name: str = "x") -> Score:
    return Score(
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
