"""Names, and what files say, as text that no terminal, table or parser stumbles over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable


def printable(name: str | os.PathLike[str]) -> str:
    r"""A file name with what cannot be shown written out: newlines, escapes, undecodable bytes.

    ``"a\nb"`` becomes ``"a\\nb"``, a byte 0xFF that is no UTF-8 becomes ``"\\xff"``. Letters of any
    script stay. The result is valid UTF-8 on one line.
    """
    try:
        text = os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        text = str(name)
    return one_line(text)


def one_line(text: str) -> str:
    """Text with control characters, newlines and lone surrogates written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str, *, most: int = 120) -> str:
    """Text of a file that nobody vouches for, on one line: control characters written out, cut.

    Args:
        text: Anything, lone surrogates too.
        most: Characters shown before it is cut, counted as they are written out.
    """
    said = one_line(text[:most])
    return said if len(said) <= most and len(text) <= most else said[:most] + "…"


def error_says(error: BaseException, *, most: int = 300, first_line: bool = False) -> str:
    """What another library's error says, on one printable line and cut; its type where that is all.

    Args:
        error: The error.
        most: Characters shown before it is cut.
        first_line: Leave out what stands below the first line: traces, hints for its own users.
    """
    text = str(error).strip()
    if first_line:
        text = text.partition("\n")[0]
    return shown(" ".join(text.split()), most=most) or type(error).__name__


def counted(reasons: Iterable[str]) -> list[str]:
    """Each reason once, in the order of their first, with how often where it is more than once."""
    found = Counter(reasons)
    return [reason if n == 1 else f"{reason} ({n} times)" for reason, n in found.items()]


def listed(names: Iterable[object], *, most: int = 8) -> str:
    """Names joined by commas; of many, the first few and how many more there are."""
    every = list(names)
    first = ", ".join(shown(str(name)) for name in every[:most])
    return first if len(every) <= most else f"{first} and {len(every) - most:,} more"
