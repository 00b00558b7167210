"""Prompts: one order of photo and words, forms that agree with the reader."""

from __future__ import annotations

import pytest

from ralikit.errors import UsageError
from ralikit.photo.degrade import CLASSES, SEVERITIES
from ralikit.train.teacher.prompts import (
    PROMPTS,
    SYSTEM,
    SYSTEM_RELEASED,
    get_prompt,
    released_prompt,
)


def test_photo_stands_before_the_words() -> None:
    photo = object()
    system, user = get_prompt("score").messages_with(photo)
    assert system["content"] == [{"type": "text", "text": SYSTEM}]
    assert user["content"][0] == {"type": "image", "image": photo}
    assert user["content"][1]["type"] == "text"


def test_system_prompt_belongs_to_rl_alone() -> None:
    with_system = {name for name, prompt in PROMPTS.items() if prompt.system is not None}
    assert with_system == {
        "score",
        "score-released",
        "degradation",
        "degradation-released",
    }


def test_direct_form_differs_in_its_last_sentence_alone() -> None:
    thinking = get_prompt("visualquality").user
    direct = get_prompt("visualquality-direct").user
    shared = "5 representing excellent quality. "
    assert thinking.split(shared)[0] == direct.split(shared)[0]
    assert direct.endswith("Please only output the final answer with only one score in "
                           "<answer> </answer> tags.")  # fmt: skip
    assert "<think>" not in direct


def test_degradation_prompt_names_every_choice() -> None:
    prompt = get_prompt("degradation")
    assert all(word in prompt.user for word in (*CLASSES, *SEVERITIES, "null"))
    assert prompt.source.startswith("ours")


def test_released_words_are_those_the_weights_learnt() -> None:
    assert SYSTEM.endswith("here </think> <answer> answer here </answer>.")
    assert SYSTEM_RELEASED.endswith("here </think><answer> answer here </answer>")
    assert SYSTEM_RELEASED.startswith("A conversation between User and Assistant. The user asks")
    assert get_prompt("score-released").user == get_prompt("score").user
    asked = get_prompt("degradation-released")
    assert asked.class_key == "distortion_class"
    assert all(f'"{word}"' in asked.user for word in (*CLASSES, *SEVERITIES, "null"))
    assert asked.user.endswith('"severity": The severity level (or "null" if none).')
    rated = get_prompt("visualquality-released")
    assert rated.user == (
        "You are doing the image quality assessment task. Here is the question: What is your "
        "overall rating on the quality of this picture? The rating should be a float between 1 "
        "and 5, rounded to two decimal places, with 1 representing very poor quality and 5 "
        "representing excellent quality. First output the thinking process in <think> </think> "
        "tags and then output the final answer with only one score in <answer> </answer> tags."
    )


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("ByteDance/Q-Insight/score_degradation", "score-released"),
        ("bytedance/q-insight", "score-released"),
        ("TianheWu/VisualQuality-R1-7B", "visualquality-released"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", None),
        ("runs/teacher/model", None),
    ],
)
def test_published_weights_are_known_by_name(model: str, prompt: str | None) -> None:
    assert released_prompt(model) == prompt
    assert prompt is None or prompt in PROMPTS


def test_unknown_prompt_names_the_known() -> None:
    with pytest.raises(UsageError, match="unknown prompt 'rate'; there are score, score-r"):
        get_prompt("rate")
