"""Which files are photos: the one list of endings that every search of a folder goes by."""

from __future__ import annotations

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
    | {".heic", ".heif", ".hif"}
)
"""Endings of the files a folder is searched for, in lower case."""

ENDINGS = ", ".join(sorted(SUFFIXES))
"""The same in words, for whoever found none."""
