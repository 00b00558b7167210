"""What the teachers are asked: as the papers print it, as the released weights learnt it, and ours.

The two published wordings of a question differ in a few words and spaces, and a model answers the
one it was trained on. A prompt also fixes the form of its answer, so that asking, rewarding and
reading cannot disagree. The photo always comes before the words, in training and in use alike: the
published training code puts it first and the published demo last, and a model answers differently
then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ralikit.errors import UsageError

__all__ = [
    "PROMPTS",
    "SYSTEM",
    "SYSTEM_RELEASED",
    "Prompt",
    "get_prompt",
    "released_prompt",
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
"""The system prompt that Q-Insight and RACT's RL stage print; their SFT has none."""

SYSTEM_RELEASED = SYSTEM.replace("</think> <answer>", "</think><answer>").removesuffix(".")
"""Q-Insight's as its training code has it: no space between the blocks, no full stop."""

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
        class_key: In ``degradation_json``, the key of the class.
    """

    name: str
    user: str
    system: str | None
    thinking: bool
    kind: AnswerKind
    source: str
    class_key: str = "degradation"

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


_RATING = (
    "What is your overall rating on the quality of this picture? The rating should be a float "
    "between 1 and 5, rounded to two decimal places, with 1 representing very poor quality and 5 "
    "representing excellent quality."
)
_IN_JSON = ' Return the final answer in JSON format with the following keys: "rating": The score.'
_ANSWER_ALONE = "Output the final answer alone, in <answer> </answer> tags."
_DEGRADATION = (
    "Which degradation, if any, does this picture suffer from, and how severe is it? The "
    "degradation is one of noise, compression, blur, darken, or null if the picture is "
    "clean. The severity is one of slight, moderate, obvious, serious, catastrophic, or "
    "null if the picture is clean. Return the final answer in JSON format with the "
    'following keys: "degradation": The class, "severity": The severity.'
)
_THINK_FIRST = (
    "First output the thinking process in <think> </think> tags and then output the final "
    "answer with only one score in <answer> </answer> tags."
)
_DIRECTLY = "Please only output the final answer with only one score in <answer> </answer> tags."
_VISUALQUALITY_RELEASED = (
    f"You are doing the image quality assessment task. Here is the question: {_RATING} "
)

_ALL = (
    Prompt(
        name="score",
        user=_RATING + _IN_JSON,
        system=SYSTEM,
        thinking=True,
        kind="rating_json",
        source="Q-Insight and RACT, as their papers print it",
    ),
    Prompt(
        name="score-released",
        user=_RATING + _IN_JSON,
        system=SYSTEM_RELEASED,
        thinking=True,
        kind="rating_json",
        source="Q-Insight's released training code and weights",
    ),
    Prompt(
        name="degradation",
        user=_DEGRADATION,
        system=SYSTEM,
        thinking=True,
        kind="degradation_json",
        source="ours: the papers do not print the wording of this task",
    ),
    Prompt(
        name="degradation-released",
        user=(
            "Analyze the given image and determine if it contains any of the following "
            'distortions: "noise", "compression", "blur", or "darken". If a distortion is present, '
            'classify its severity as "slight", "moderate", "obvious", "serious", or '
            '"catastrophic". Return the result in JSON format with the following keys: '
            '"distortion_class": The detected distortion (or "null" if none). and "severity": The '
            'severity level (or "null" if none).'
        ),
        system=SYSTEM_RELEASED,
        thinking=True,
        kind="degradation_json",
        class_key="distortion_class",
        source="Q-Insight's released training code and weights",
    ),
    Prompt(
        name="score-direct",
        user=f"{_RATING}{_IN_JSON} {_ANSWER_ALONE}",
        system=None,
        thinking=False,
        kind="rating_json",
        source="ours: Q-Insight's question without reasoning (RALI, Table A.1, prints no wording)",
    ),
    Prompt(
        name="degradation-direct",
        user=f"{_DEGRADATION} {_ANSWER_ALONE}",
        system=None,
        thinking=False,
        kind="degradation_json",
        source="ours: the degradation task without reasoning",
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
        user=_VISUALQUALITY + _THINK_FIRST,
        system=None,
        thinking=True,
        kind="rating_number",
        source="VisualQuality-R1, as its paper prints it",
    ),
    Prompt(
        name="visualquality-direct",
        user=_VISUALQUALITY + _DIRECTLY,
        system=None,
        thinking=False,
        kind="rating_number",
        source="VisualQuality-R1, its non-thinking form, as its paper prints it",
    ),
    Prompt(
        name="visualquality-released",
        user=_VISUALQUALITY_RELEASED + _THINK_FIRST,
        system=None,
        thinking=True,
        kind="rating_number",
        source="VisualQuality-R1's released training code and weights",
    ),
    Prompt(
        name="visualquality-released-direct",
        user=_VISUALQUALITY_RELEASED + _DIRECTLY,
        system=None,
        thinking=False,
        kind="rating_number",
        source="VisualQuality-R1's released weights, their non-thinking form",
    ),
)

PROMPTS: dict[str, Prompt] = {prompt.name: prompt for prompt in _ALL}
"""Every prompt by name."""


_RELEASED = {
    "bytedance/q-insight": "score-released",
    "tianhewu/visualquality-r1-7b": "visualquality-released",
    "tianhewu/visualquality-r1-7b-preview": "visualquality-released",
}


def released_prompt(model: str) -> str | None:
    """The prompt that published weights were trained with, by their hub name; None: not known.

    Args:
        model: ``owner/repo``, perhaps with a folder in it.
    """
    return _RELEASED.get("/".join(model.lower().split("/")[:2]))


def get_prompt(name: str) -> Prompt:
    """Look a prompt up.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in PROMPTS:
        raise UsageError(f"unknown prompt {name!r}; there are {', '.join(PROMPTS)}")
    return PROMPTS[name]
