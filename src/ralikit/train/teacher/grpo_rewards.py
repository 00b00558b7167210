"""The rewards in the shape TRL calls them, and the gather that RL2R needs.

TRL hands each process its own slice of the batch. RL2R compares an image with all others of the
global batch, so every process gathers all ratings, computes the whole, and returns its slice; all
of them must get there, whatever their slice holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ralikit.photo.degrade import Degradation
from ralikit.train.teacher.answers import is_well_formed, read_degradation, read_rating
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.recipe import RewardSettings, TeacherRecipe
from ralikit.train.teacher.rewards import degradation_reward, fidelity_rewards, score_reward

__all__ = ["RewardFunction", "reward_functions", "rl2r_rewards"]

RewardFunction = Callable[..., list[float | None]]
"""Takes `completions` and the dataset's columns, one entry a completion; None: does not apply."""


class Rated(NamedTuple):
    """One answer of the global batch.

    Attributes:
        row: Row of the dataset: which image.
        rating: 1..5, NaN where the answer gives none.
        mos: On the dataset's own scale.
        dataset: Its name.
    """

    row: int
    rating: float
    mos: float
    dataset: str


def rl2r_rewards(
    answers: Sequence[Rated], settings: RewardSettings, *, compare: int | None = None
) -> list[float]:
    """The fidelity rewards of a whole global batch, in its order.

    Images may have unequal numbers of answers; answers of one row belong together wherever they
    stand.

    Args:
        answers: Of the whole batch.
        settings: The form of the reward.
        compare: An image is compared within blocks of so many of its dataset, in the batch's
            order; None: with all of its dataset.
    """
    rows = list(dict.fromkeys(a.row for a in answers))
    groups: dict[int, list[int]] = {row: [] for row in rows}
    for position, answer in enumerate(answers):
        groups[answer.row].append(position)
    widest = max((len(g) for g in groups.values()), default=0)
    ratings = np.full((len(rows), widest), np.nan)
    for i, row in enumerate(rows):
        ratings[i, : len(groups[row])] = [answers[p].rating for p in groups[row]]
    first = [answers[groups[row][0]] for row in rows]
    rewards = fidelity_rewards(
        ratings.reshape(len(rows), widest),
        [a.mos for a in first],
        datasets=_blocks([a.dataset for a in first], compare),
        variant=settings.variant,
        gamma=settings.gamma,
    )
    result = [0.0] * len(answers)
    for i, row in enumerate(rows):
        for k, position in enumerate(groups[row]):
            result[position] = float(rewards[i, k])
    return result


def _blocks(datasets: Sequence[str], compare: int | None) -> list[str]:
    """For every image the name of the block that it is compared in."""
    seen: dict[str, int] = {}
    names = []
    for dataset in datasets:
        place = seen.get(dataset, 0)
        seen[dataset] = place + 1
        names.append(f"{dataset}\0{place // compare}" if compare else dataset)
    return names


def reward_functions(recipe: TeacherRecipe) -> list[RewardFunction]:
    """The reward functions of a recipe, named as they are logged."""
    prompt = get_prompt(recipe.score_prompt)
    settings = recipe.reward
    second = get_prompt(recipe.degradation_prompt)
    tasks = {"score": prompt, "degradation": second}

    def form(completions: Sequence[Any], task: Sequence[str], **_: Any) -> list[float | None]:
        return [
            settings.format * is_well_formed(_text(c), tasks[t])
            for c, t in zip(completions, task, strict=True)
        ]

    def score(
        completions: Sequence[Any], task: Sequence[str], mos: Sequence[float], **_: Any
    ) -> list[float | None]:
        return [
            score_reward(read_rating(_text(c), prompt), m, tolerance=settings.tolerance)
            if t == "score"
            else None
            for c, t, m in zip(completions, task, mos, strict=True)
        ]

    def degradation(
        completions: Sequence[Any],
        task: Sequence[str],
        kind: Sequence[str],
        severity: Sequence[str],
        **_: Any,
    ) -> list[float | None]:
        return [
            degradation_reward(
                read_degradation(_text(c), second),
                Degradation(k, s),
                class_weight=settings.class_weight,
                severity_weight=settings.severity_weight,
            )
            if t == "degradation"
            else None
            for c, t, k, s in zip(completions, task, kind, severity, strict=True)
        ]

    def fidelity(
        completions: Sequence[Any],
        row: Sequence[int],
        mos: Sequence[float],
        dataset: Sequence[str],
        **_: Any,
    ) -> list[float | None]:
        own = []
        for c, r, m, d in zip(completions, row, mos, dataset, strict=True):
            rating = read_rating(_text(c), prompt)
            own.append(Rated(r, float("nan") if rating is None else rating, m, d))
        whole, start = _gather(own)
        rewards = rl2r_rewards(whole, settings, compare=recipe.grpo.compare)
        return list(rewards[start : start + len(own)])

    form.__name__ = "format"  # as it is logged
    if recipe.method == "visualquality-r1":
        return [fidelity, form]
    return [score, form] if recipe.degradation is None else [score, degradation, form]


def _gather(own: list[Rated]) -> tuple[list[Rated], int]:
    """The records of all processes in rank order, and where this process's begin."""
    from accelerate.state import PartialState
    from accelerate.utils import gather_object

    state = PartialState()
    if state.num_processes == 1:
        return own, 0
    parts: list[list[Rated]] = gather_object([own])
    start = sum(len(part) for part in parts[: state.process_index])
    return [Rated(*record) for part in parts for record in part], start


def _text(completion: Any) -> str:
    """A completion's words: a string, or a list of messages."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])
