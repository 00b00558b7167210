"""File names as text that no terminal, table or parser stumbles over."""

from __future__ import annotations

import os


def printable(name: str | os.PathLike[str]) -> str:
    r"""A file name with what cannot be shown written out: newlines, escapes, undecodable bytes.

    ``"a\nb"`` becomes ``"a\\nb"``, a byte 0xFF that is no UTF-8 becomes ``"\\xff"``. Letters of any
    script stay. The result is valid UTF-8 on one line.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
