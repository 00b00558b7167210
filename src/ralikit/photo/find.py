"""From a folder, or the words of a command line, to photo files: the one search for them all."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ralikit.errors import PhotoError, UsageError
from ralikit.photo.formats import SUFFIXES
from ralikit.printable import printable

_PATTERN = frozenset("*?[")


def find_photos(
    words: Sequence[str], *, on_error: Callable[[PhotoError], None] | None = None
) -> list[Path]:
    """Find the photos that words name.

    Args:
        words: Files (of any ending), folders (searched to the bottom for endings a photo has; what
            begins with a dot is left out) and patterns, expanded here where the shell did not.
        on_error: Called with each word that names nothing; None: the first is raised.

    Returns:
        Photos in the words' order, those of one word sorted, each once.

    Raises:
        UsageError: If there is none at all.
        PhotoError: If a word names nothing and `on_error` is None.
    """
    found: dict[Path, None] = {}
    for word in words:
        photos = _expand(word)
        if not photos:
            error = PhotoError(f"{printable(word)}: {_nothing(word)}")
            if on_error is None:
                raise error
            on_error(error)
        found.update(dict.fromkeys(photos))
    if not found:
        raise UsageError("no photo found; name photos, a folder of photos or a pattern")
    return list(found)


def photos_below(folder: Path) -> list[Path]:
    """Photos in a folder, to the bottom, sorted; what begins with a dot is left out.

    Returns:
        Files of an ending a photo has; none where the folder holds none or cannot be listed.
    """
    photos = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        photos += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122
        ]
    return sorted(photos)


def _expand(word: str) -> list[Path]:
    path = Path(word)
    try:
        if path.is_dir():
            return photos_below(path)
        if path.exists() or path.is_symlink():
            return [path]
        if _PATTERN & set(word):
            matches = (Path(match) for match in glob.glob(word, recursive=True))  # noqa: PTH207
            return sorted(match for match in matches if match.is_file())
    except (OSError, ValueError):  # a null byte, a name too long
        return []
    return []


def _nothing(word: str) -> str:
    if os.path.isdir(word):  # noqa: PTH112 (a word may hold a null byte)
        return "no photo is in this folder"
    return "matches no file" if _PATTERN & set(word) else "there is no such file"
