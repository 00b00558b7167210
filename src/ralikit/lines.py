"""Lines of text files as JSON Lines has them: a line feed ends one, and nothing else does.

``str.splitlines`` and its like also break at U+2028, U+2029, U+0085 and others, which stand inside
JSON strings as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

_MARK = b"\xef\xbb\xbf"


def numbered_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, without their line feeds, each with its number from 1 on."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def without_mark(data: bytes) -> bytes:
    """The bytes without the byte-order mark that some editors put before UTF-8 text."""
    return data.removeprefix(_MARK)
