"""Photos in the order of their scores, with those a model cannot tell apart marked as such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ralikit.scorer import Score


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One photo's place.

    Attributes:
        place: 1 for the best; photos that are not told apart share the best of their places.
        tied: Whether it shares its place.
        score: The photo's score.
    """

    place: int
    tied: bool
    score: Score


def rank(scores: Iterable[Score], *, tie_width: float | None) -> list[Ranked]:
    """Order scores, best first, and group what the model does not tell apart.

    A group is the best photo not yet placed and all that score less than `tie_width` below it, so
    the scores of one group lie within one such width. (Being too close to call does not chain: the
    last of a group and the first of the next can be close as well.) Equal scores keep their order.

    Args:
        scores: Any order.
        tie_width: Scores closer than this are not told apart; None: not measured, so only equal
            scores share a place.
    """
    ordered = sorted(scores, key=lambda score: -score.value)
    groups: list[list[Score]] = []
    for score in ordered:
        lead = groups[-1][0].value if groups else 0.0
        same = groups and (score.value == lead or lead - score.value < (tie_width or 0.0))
        if same:
            groups[-1].append(score)
        else:
            groups.append([score])
    ranked, place = [], 1
    for group in groups:
        ranked += [Ranked(place=place, tied=len(group) > 1, score=score) for score in group]
        place += len(group)
    return ranked
