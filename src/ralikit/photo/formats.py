"""Which files are photos: the one list of kinds and endings that everything goes by."""

from __future__ import annotations

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
    | {".heic", ".heif", ".hif"}
)
"""Endings of the files a folder is searched for, in lower case."""

ENDINGS = ", ".join(sorted(SUFFIXES))
"""The same in words, for whoever found none."""

KINDS = "JPEG, PNG, WebP, BMP, TIFF, GIF or HEIC"
"""What is read, in words. Not AVIF: Pillow reads it from 11.3 on only, without its colour boxes."""
