"""A line feed ends a line, and nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

from ralikit.lines import numbered_lines, without_mark

SOURCE = Path(__file__).parents[1] / "src"


def test_lines_keep_their_numbers_and_their_bytes() -> None:
    data = "a\u2028b\r\n\n \n\x85c".encode()
    assert list(numbered_lines(data)) == [(1, "a\u2028b\r".encode()), (4, "\x85c".encode())]
    assert list(numbered_lines(b"")) == []
    assert without_mark(b"\xef\xbb\xbfa") == without_mark(b"a") == b"a"


def test_no_other_reader_splits_files() -> None:
    # What programs and exceptions print may be split at anything; files of data may not.
    told = re.compile(r"str\(error\)|stderr|errors=\"replace\"|text\.splitlines")
    for file in SOURCE.rglob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if ".splitlines(" in line:
                assert told.search(line), f"{file.name}: {line.strip()}"
