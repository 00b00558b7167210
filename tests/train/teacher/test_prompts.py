"""Prompts: one order of photo and words, forms that agree with the reader."""

from __future__ import annotations

import pytest

from ralikit.errors import UsageError
from ralikit.photo.degrade import CLASSES, SEVERITIES
from ralikit.train.teacher.prompts import PROMPTS, SYSTEM, get_prompt


def test_photo_stands_before_the_words() -> None:
    photo = object()
    system, user = get_prompt("score").messages_with(photo)
    assert system["content"] == [{"type": "text", "text": SYSTEM}]
    assert user["content"][0] == {"type": "image", "image": photo}
    assert user["content"][1]["type"] == "text"


def test_system_prompt_belongs_to_rl_alone() -> None:
    with_system = {name for name, prompt in PROMPTS.items() if prompt.system is not None}
    assert with_system == {"score", "degradation"}


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


def test_unknown_prompt_names_the_known() -> None:
    with pytest.raises(UsageError, match="unknown prompt 'rate'; there are score, degradation"):
        get_prompt("rate")
