"""Reading answers: what counts, and that nothing unreadable ever becomes a number."""

from __future__ import annotations

import pytest

from ralikit.photo.degrade import Degradation
from ralikit.train.teacher.answers import (
    is_well_formed,
    read_answer,
    read_degradation,
    read_rating,
)
from ralikit.train.teacher.prompts import get_prompt

SCORE = get_prompt("score")
DEGRADATION = get_prompt("degradation")
THINKING = get_prompt("visualquality")
DIRECT = get_prompt("visualquality-direct")


def answered(answer: str) -> str:
    return f"<think>Soft and noisy.</think> <answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("answer", "rating"),
    [
        ('{"rating": 3.52}', 3.52),
        ('{"rating": "3.52"}', 3.52),
        (' ```json\n{"rating": 1}\n``` ', 1.0),
        ('{"rating": 5, "why": "sharp"}', 5.0),
        ('{"rating": 7}', None),
        ('{"rating": 0.99}', None),
        ('{"rating": NaN}', None),
        ('{"rating": Infinity}', None),
        ('{"rating": 1e400}', None),
        ('{"rating": "nan"}', None),
        ('{"rating": "good"}', None),
        ('{"rating": true}', None),
        ('{"rating": null}', None),
        ('{"rating": [3]}', None),
        ('{"rating": 3} {"rating": 4}', None),
        ('{"rating": 3, "rating": 4}', None),
        ('{"score": 3}', None),
        ("[3]", None),
        ("3.52", None),
        ("", None),
        ("[" * 100_000, None),
    ],
)
def test_rating_in_json(answer: str, rating: float | None) -> None:
    assert read_rating(answered(answer), SCORE) == rating


@pytest.mark.parametrize(
    ("answer", "rating"),
    [("3.5", 3.5), (" 4 ", 4.0), ("3.5 of 5", None), ("nan", None), ("7", None), ("3 4", None)],
)
def test_rating_as_one_number(answer: str, rating: float | None) -> None:
    assert read_rating(answered(answer), THINKING) == rating
    assert read_rating(f"<answer>{answer}</answer>", DIRECT) == rating


def test_rating_needs_one_closed_answer() -> None:
    assert read_rating('<think>x</think><answer>{"rating": 3}', SCORE) is None
    assert read_rating(answered('{"rating": 3}') * 2, SCORE) is None
    assert read_rating('</answer>{"rating": 3}<answer>', SCORE) is None
    assert read_rating('{"rating": 3}', SCORE) is None
    # Without reasoning the rating counts; the format reward is what is lost.
    assert read_rating('<answer>{"rating": 3}</answer>', SCORE) == 3.0
    assert not is_well_formed('<answer>{"rating": 3}</answer>', SCORE)


@pytest.mark.parametrize(
    ("completion", "fits"),
    [
        (answered('{"rating": 3}'), True),
        ("\n" + answered('{"rating": 7}') + "\n", True),
        (answered('{"rating": 3} {"rating": 4}'), False),
        (answered('{"rating": NaN}'), False),
        (answered("3"), False),
        ("Sure! " + answered('{"rating": 3}'), False),
        (answered('{"rating": 3}') + " Done.", False),
        ('<think></think><answer>{"rating": 3}</answer>', False),
        ('<think>a<answer>{"rating": 3}</answer>', False),
        ('<answer>{"rating": 3}</answer><think>late</think>', False),
        ('<think>a</think>so<answer>{"rating": 3}</answer>', False),
        ('<think>a <think>b</think><answer>{"rating": 3}</answer>', False),
    ],
)
def test_form(completion: str, fits: bool) -> None:
    assert is_well_formed(completion, SCORE) is fits


def test_form_of_a_direct_answer_has_no_reasoning() -> None:
    assert is_well_formed("<answer>3.5</answer>", DIRECT)
    assert not is_well_formed(answered("3.5"), DIRECT)
    assert is_well_formed(answered("3.5"), THINKING)
    assert not is_well_formed(answered('{"rating": 3.5}'), THINKING)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"degradation": "blur", "severity": "serious"}', Degradation("blur", "serious")),
        ('{"degradation": " Blur", "severity": "SERIOUS"}', Degradation("blur", "serious")),
        ('{"degradation": null, "severity": null}', Degradation("null", "null")),
        ('{"degradation": "null", "severity": "null"}', Degradation("null", "null")),
        ('{"degradation": "blur", "severity": null}', Degradation("blur", "null")),
        ('{"degradation": "fog", "severity": "slight"}', None),
        ('{"degradation": "blur", "severity": "3"}', None),
        ('{"degradation": "blur"}', None),
        ('{"degradation": "blur", "severity": "slight"}{}', None),
    ],
)
def test_degradation(answer: str, said: Degradation | None) -> None:
    assert read_degradation(answered(answer), DEGRADATION) == said


def test_each_wording_has_its_own_key() -> None:
    released = get_prompt("degradation-released")
    answer = answered('{"distortion_class": "noise", "severity": "slight"}')
    assert read_degradation(answer, released) == Degradation("noise", "slight")
    assert read_degradation(answer, DEGRADATION) is None
    ours = answered('{"degradation": "noise", "severity": "slight"}')
    assert read_degradation(ours, released) is None


def test_description_takes_reasoning_and_rating_together() -> None:
    good = read_answer(answered('{"rating": 2.25}'), SCORE)
    assert (good.text, good.rating, good.problem) == ("Soft and noisy.", 2.25, None)


@pytest.mark.parametrize(
    ("completion", "problem"),
    [
        ("<think>endless", "</think> stands 0 times, expected once"),
        (answered("{}").replace("</answer>", ""), "</answer> stands 0 times"),
        (answered('{"rating": 9}'), "no rating between 1 and 5"),
        ('<think> </think><answer>{"rating": 2}</answer>', "the reasoning is empty"),
        ('<answer>{"rating": 2}</answer><think>a</think>', "not one think block followed"),
    ],
)
def test_rejected_answers_say_why(completion: str, problem: str) -> None:
    reading = read_answer(completion, SCORE)
    assert reading.problem is not None
    assert problem in reading.problem
    assert reading.rating is None
    assert reading.text == ""


def test_direct_prompt_has_no_text_to_read() -> None:
    assert "no reasoning text" in str(read_answer("<answer>3</answer>", DIRECT).problem)


def test_free_text_is_the_answer() -> None:
    prompt = get_prompt("description")
    assert read_answer(" It is sharp.\n", prompt).text == "It is sharp."
    assert read_answer(" ", prompt).problem == "the answer is empty"
