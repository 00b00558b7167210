"""File names as one printable line of valid text."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralikit.printable import error_says, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain.jpg", "plain.jpg"),
        ("Füße 写真.jpg".encode(), "Füße 写真.jpg"),
        (b"a\nb\x1b[31m.png", "a\\nb\\x1b[31m.png"),
        (b"bad\xff.png", "bad\\xff.png"),
        ("right\u202eleft".encode(), "right\\u202eleft"),
    ],
)
def test_what_cannot_be_shown_is_written_out(name: bytes, shown: str) -> None:
    assert printable(os.fsdecode(name)) == shown


@given(st.binary(max_size=30))
def test_the_result_is_one_line_of_valid_text(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.isprintable()
    shown.encode("utf-8")


def test_an_error_is_one_line_its_first_or_its_type() -> None:
    error = ValueError("no such\n  layer \x1b[31m\n\ttrace of it ")
    assert error_says(error) == "no such layer \\x1b[31m trace of it"
    assert error_says(error, first_line=True) == "no such"
    assert error_says(ValueError("long " * 100), most=9) == "long long…"
    assert error_says(KeyError()) == "KeyError"
    assert error_says(RuntimeError(" \n ")) == "RuntimeError"
