"""The tables of settings in the docs are those of the code."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from support_docs import ROOT, script

settings = script("docs/tools/settings.py")


@pytest.mark.parametrize("page", settings.PAGES)
def test_tables_are_what_the_code_says(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert settings.filled(text, settings.PAGES[page]) == text, "run docs/tools/settings.py"


def test_a_setting_without_a_meaning_is_found() -> None:
    @dataclass
    class Some:
        """Some.

        Attributes:
            one: What it is,
                in two lines.
        """

        one: int = 1

    assert "| `one` | `1` | What it is, in two lines. |" in settings.table(Some)

    @dataclass
    class Other(Some):
        two: bool = False

    with pytest.raises(ValueError, match=r"does not say what (one|two) means"):
        settings.table(Other)
