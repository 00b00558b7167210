"""What the teachers are asked: the papers' prompts as published, and the one that is ours.

A prompt also fixes the form of its answer, so that asking, rewarding and reading cannot disagree.
The photo always comes before the words, in training and in use alike: the published training code
puts it first and the published demo last, and a model answers differently then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ralikit.errors import UsageError

__all__ = [
    "PROMPTS",
    "SYSTEM",
    "Prompt",
    "get_prompt",
]

AnswerKind = Literal["rating_json", "rating_number", "degradation_json", "text"]
"""What stands between the answer tags; ``text`` is free text without tags."""

SYSTEM = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant "
    "solves it. The assistant first thinks about the reasoning process in the mind and then "
    "provides the user with the answer. The reasoning process and answer are enclosed within "
    "<think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process "
    "here </think> <answer> answer here </answer>."
)
"""The system prompt of Q-Insight and of RACT's RL stage; their SFT has none."""

_VISUALQUALITY = (
    "You are doing the image quality assessment task. Here is the question: Rate the overall "
    "image visual quality. The rating should be a float between 1 and 5, with 1 representing very "
    "poor quality and 5 representing excellent quality. "
)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One question and the form its answer must have.

    Attributes:
        name: How recipes and the command line call it.
        user: The question; the photo stands before it.
        system: The system prompt; None leaves the chat template's own.
        thinking: Whether the answer begins with ``<think>…</think>``.
        kind: What the answer block holds.
        source: Where the wording comes from.
    """

    name: str
    user: str
    system: str | None
    thinking: bool
    kind: AnswerKind
    source: str

    def messages(self) -> list[dict[str, str]]:
        """The conversation as plain text; TRL puts the photo before the user's words."""
        system = [] if self.system is None else [{"role": "system", "content": self.system}]
        return [*system, {"role": "user", "content": self.user}]

    def messages_with(self, image: Any) -> list[dict[str, Any]]:
        """The same conversation with the photo in its place, for a processor's chat template.

        Args:
            image: A PIL image.
        """
        *system, user = self.messages()
        parts = [{"type": "image", "image": image}, {"type": "text", "text": user["content"]}]
        return [
            *({**m, "content": [{"type": "text", "text": m["content"]}]} for m in system),
            {"role": "user", "content": parts},
        ]


_ALL = (
    Prompt(
        name="score",
        user=(
            "What is your overall rating on the quality of this picture? The rating should be a "
            "float between 1 and 5, rounded to two decimal places, with 1 representing very poor "
            "quality and 5 representing excellent quality. Return the final answer in JSON format "
            'with the following keys: "rating": The score.'
        ),
        system=SYSTEM,
        thinking=True,
        kind="rating_json",
        source="Q-Insight and RACT, as published",
    ),
    Prompt(
        name="degradation",
        user=(
            "Which degradation, if any, does this picture suffer from, and how severe is it? The "
            "degradation is one of noise, compression, blur, darken, or null if the picture is "
            "clean. The severity is one of slight, moderate, obvious, serious, catastrophic, or "
            "null if the picture is clean. Return the final answer in JSON format with the "
            'following keys: "degradation": The class, "severity": The severity.'
        ),
        system=SYSTEM,
        thinking=True,
        kind="degradation_json",
        source="ours: the papers do not print the wording of this task",
    ),
    Prompt(
        name="description",
        user="What is your overall assessment of the quality of this picture?",
        system=None,
        thinking=False,
        kind="text",
        source="RACT's SFT, as published",
    ),
    Prompt(
        name="visualquality",
        user=_VISUALQUALITY
        + "First output the thinking process in <think> </think> tags and then output the final "
        "answer with only one score in <answer> </answer> tags.",
        system=None,
        thinking=True,
        kind="rating_number",
        source="VisualQuality-R1, as published",
    ),
    Prompt(
        name="visualquality-direct",
        user=_VISUALQUALITY
        + "Please only output the final answer with only one score in <answer> </answer> tags.",
        system=None,
        thinking=False,
        kind="rating_number",
        source="VisualQuality-R1, its non-thinking form, as published",
    ),
)

PROMPTS: dict[str, Prompt] = {prompt.name: prompt for prompt in _ALL}
"""Every prompt by name."""


def get_prompt(name: str) -> Prompt:
    """Look a prompt up.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in PROMPTS:
        raise UsageError(f"unknown prompt {name!r}; there are {', '.join(PROMPTS)}")
    return PROMPTS[name]
