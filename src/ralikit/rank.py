"""Photos in the order of their scores, with those a model cannot tell apart marked as such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ralikit.errors import UsageError
from ralikit.scorer import Score


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One photo's place.

    Attributes:
        place: 1 for the best; photos that are not told apart share the best of their places.
        tied: Whether it shares its place.
        score: The photo's score.
        value: What it was ranked by: the score's value, or one of its qualities.
    """

    place: int
    tied: bool
    score: Score
    value: float


def rank(
    scores: Iterable[Score], *, tie_width: float | None, by: str | None = None
) -> list[Ranked]:
    """Order scores, best first, and group what the model does not tell apart.

    A group is the best photo not yet placed and all that score less than `tie_width` below it, so
    the scores of one group lie within one such width. (Being too close to call does not chain: the
    last of a group and the first of the next can be close as well.) Equal scores keep their order.

    Args:
        scores: Any order.
        tie_width: Values closer than this are not told apart; None: not measured, so only equal
            ones share a place.
        by: A quality, e.g. ``"sharpness"``; None: the score itself.

    Raises:
        UsageError: If a score has no such quality.
    """

    def value(score: Score) -> float:
        return score.value if by is None else score.qualities[by]

    ordered = list(scores)
    if by is not None:
        for score in ordered:
            check_quality(by, score.qualities, model="its model")
    ordered.sort(key=lambda score: -value(score))
    groups: list[list[Score]] = []
    for score in ordered:
        lead = value(groups[-1][0]) if groups else 0.0
        same = groups and (value(score) == lead or lead - value(score) < (tie_width or 0.0))
        if same:
            groups[-1].append(score)
        else:
            groups.append([score])
    ranked, place = [], 1
    for group in groups:
        ranked += [
            Ranked(place=place, tied=len(group) > 1, score=score, value=value(score))
            for score in group
        ]
        place += len(group)
    return ranked


def check_quality(name: str, known: Iterable[str], *, model: str) -> None:
    """Refuse a quality that a model does not know.

    Args:
        name: What photos shall be ranked by.
        known: The qualities that its reasons speak of; none where it has no bank.
        model: Named in the error.

    Raises:
        UsageError: If it is none of them.
    """
    known = list(dict.fromkeys(known))
    if not known:
        raise UsageError(
            f"{model} has no bank of reasons, so nothing is known of a photo's {name}: rank by the "
            "score alone, or fit a bank (ralikit train reasons)"
        )
    if name not in known:
        raise UsageError(f"there is no quality {name!r}; {model} knows {', '.join(known)}")
