"""File names as one printable line of valid text."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ralikit.printable import printable


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
