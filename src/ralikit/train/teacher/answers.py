"""Reading a teacher's answer: what it says, or why it says nothing. Never a guess.

Published training code turns an answer it cannot read into a random score. Here such an answer
has no rating: it earns no reward, it is asked again, or it is recorded as rejected.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from ralikit.photo.degrade import CLASSES, NO_DEGRADATION, SEVERITIES, Degradation
from ralikit.train.teacher.prompts import Prompt

__all__ = [
    "Reading",
    "is_well_formed",
    "read_answer",
    "read_degradation",
    "read_rating",
]

LOW, HIGH = 1.0, 5.0
"""Ends of the rating scale that every prompt states."""

_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_THINK_ANSWER = re.compile(r"\s*<think>(.*)</think>\s*<answer>(.*)</answer>\s*", re.DOTALL)
_ANSWER = re.compile(r"\s*<answer>(.*)</answer>\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an answer says.

    Attributes:
        text: The reasoning between the think tags (the whole answer for a free text prompt).
        rating: The score, 1..5; None where the prompt asks for none.
        problem: Why the answer cannot be used, None where it can.
    """

    text: str = ""
    rating: float | None = None
    problem: str | None = None


def is_well_formed(completion: str, prompt: Prompt) -> bool:
    """Whether a completion has exactly the form its prompt asks for (the format reward).

    One think block where the prompt wants one, then one answer block, nothing around them, and in
    the answer one JSON object or one number. The value is not judged: 7 is well-formed.
    """
    if prompt.kind == "text":
        return bool(completion.strip())
    blocks = _blocks(completion, prompt)
    if blocks is None or (prompt.thinking and not blocks[0].strip()):
        return False
    if prompt.kind == "rating_number":
        return _NUMBER.fullmatch(blocks[1].strip()) is not None
    return _json_object(blocks[1]) is not None


def read_rating(completion: str, prompt: Prompt) -> float | None:
    """The rating a completion gives, 1..5, or None.

    Only the answer block is read, wherever it stands; it must be the only one and closed. Two JSON
    objects, NaN, words, a rating outside 1..5: no rating.
    """
    answer = _answer_block(completion)
    if answer is None:
        return None
    if prompt.kind == "rating_number":
        value: Any = answer.strip()
    elif prompt.kind == "rating_json":
        value = (_json_object(answer) or {}).get("rating")
    else:
        return None
    return _rating(value)


def read_degradation(completion: str, prompt: Prompt) -> Degradation | None:
    """The degradation a completion names, or None where class or severity is not one of those.

    A wrong combination (a severity of ``null``, a clean photo's severity) is still an answer: it
    is simply not right.
    """
    answer = _answer_block(completion)
    record = None if answer is None else _json_object(answer)
    if record is None or prompt.class_key not in record or "severity" not in record:
        return None
    kind, severity = _name(record[prompt.class_key]), _name(record["severity"])
    if kind not in (*CLASSES, NO_DEGRADATION) or severity not in (*SEVERITIES, NO_DEGRADATION):
        return None
    return Degradation(kind, severity)


def read_answer(completion: str, prompt: Prompt) -> Reading:
    """Read a teacher's answer for a description: the reasoning text and the rating beside it."""
    if prompt.kind == "text":
        text = completion.strip()
        if not text:
            return Reading(problem="the answer is empty")
        return Reading(text=text)
    if not prompt.thinking:
        return Reading(problem=f"the prompt {prompt.name!r} asks for no reasoning text")
    blocks = _blocks(completion, prompt)
    if blocks is None:
        return Reading(problem=_tag_problem(completion))
    text = blocks[0].strip()
    rating = read_rating(completion, prompt)
    if not text:
        return Reading(problem="the reasoning is empty")
    if rating is None:
        return Reading(problem=f"no rating between 1 and 5 in the answer {blocks[1].strip()!r}")
    return Reading(text=text, rating=rating)


def _blocks(completion: str, prompt: Prompt) -> tuple[str, str] | None:
    """Think and answer block of a completion that has them once each, in order, and only them."""
    wanted = _TAGS if prompt.thinking else _TAGS[2:]
    if any(completion.count(tag) != (tag in wanted) for tag in _TAGS):
        return None
    if prompt.thinking:
        match = _THINK_ANSWER.fullmatch(completion)
        return None if match is None else (match[1], match[2])
    match = _ANSWER.fullmatch(completion)
    return None if match is None else ("", match[1])


def _answer_block(completion: str) -> str | None:
    if completion.count("<answer>") != 1 or completion.count("</answer>") != 1:
        return None
    before, _, rest = completion.partition("<answer>")
    inside, closed, _ = rest.partition("</answer>")
    return None if "</answer>" in before or not closed else inside


def _tag_problem(completion: str) -> str:
    counts = {tag: completion.count(tag) for tag in _TAGS}
    for tag, count in counts.items():
        if count != 1:
            return f"{tag} stands {count} times, expected once"
    return "the tags are not one think block followed by one answer block"


_MOST_BRACKETS = 32


def _json_object(text: str) -> dict[str, Any] | None:
    """The one flat JSON object that `text` is, in a code fence or not; None for anything else."""
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    if fenced is not None:
        text = fenced[1]
    # A flat object has few brackets. Deep nesting is refused before it is parsed: where a library
    # has raised Python's recursion limit, the parser would run off the C stack instead of raising.
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except ValueError:  # not JSON, two objects, NaN, a key twice
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _rating(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        # Models write "3.52" in quotes now and then; words and exponents stay refused.
        if _NUMBER.fullmatch(value.strip()) is None or len(value) > 32:
            return None
        value = float(value)
    if not isinstance(value, int | float) or not LOW <= value <= HIGH:
        return None
    return float(value) if math.isfinite(value) else None


def _name(value: Any) -> str:
    return NO_DEGRADATION if value is None else str(value).strip().lower()
