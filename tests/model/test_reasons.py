"""The bank of reasons, and how its numbers are read: order, threshold, qualities."""

from __future__ import annotations

import pytest

from ralikit.errors import UsageError
from ralikit.model.reasons import BANK, ReasonInfo, named_reasons, quality_values

INFOS = tuple(entry.info for entry in BANK)


def test_bank_is_the_contracts() -> None:
    # docs/contract.md: ids never change their meaning, and stand in this order.
    assert [(i.id, i.quality) for i in INFOS] == [
        ("out-of-focus", "sharpness"),
        ("motion-blur", "steadiness"),
        ("noise", "cleanness"),
        ("too-dark", "exposure"),
        ("too-bright", "exposure"),
        ("low-contrast", "contrast"),
        ("poor-colours", "colour"),
        ("compression", "fidelity"),
    ]


def test_both_sides_have_several_wordings_and_share_none() -> None:
    for entry in BANK:
        assert len(entry.present) == len(entry.absent) >= 3
    texts = [text for entry in BANK for text in (*entry.present, *entry.absent)]
    assert len(set(texts)) == len(texts)


def test_named_from_one_half_on_highest_first_equal_ones_in_order() -> None:
    values = [0.5, 0.7, 0.49, 0.0, 0.7, 0.1, 0.9, 0.2]
    named = named_reasons(values, INFOS)
    assert [r.id for r in named] == ["poor-colours", "motion-blur", "too-bright", "out-of-focus"]
    assert [r.value for r in named] == [0.9, 0.7, 0.7, 0.5]
    assert named[3].words == "out of focus"


def test_quality_is_one_minus_its_highest_reason() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.9, 0.0, 1.0, 0.5]
    found = quality_values(values, INFOS)
    assert found["exposure"] == pytest.approx(0.1)  # too bright, not too dark
    assert found["sharpness"] == pytest.approx(0.9)
    assert found["colour"] == 0.0
    assert list(found) == [
        "sharpness",
        "steadiness",
        "cleanness",
        "exposure",
        "contrast",
        "colour",
        "fidelity",
    ]


def test_one_number_a_reason() -> None:
    with pytest.raises(ValueError, match="zip"):
        named_reasons([0.1], INFOS)


@pytest.mark.parametrize("part", ["id", "words", "quality"])
def test_words_are_printable(part: str) -> None:
    with pytest.raises(UsageError):
        ReasonInfo(**({"id": "a", "words": "b", "quality": "c"} | {part: "x\n"}))
