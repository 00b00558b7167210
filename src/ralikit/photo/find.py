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


OnError = Callable[[PhotoError], None]
OnSkip = Callable[[str], None]


def find_photos(
    words: Sequence[str], *, on_error: OnError | None = None, on_skip: OnSkip | None = None
) -> list[Path]:
    """Find the photos that words name.

    Args:
        words: Files (of any ending), folders (searched to the bottom for endings a photo has; what
            begins with a dot is left out) and patterns, expanded here where the shell did not.
        on_error: Called with each word that names nothing, and each folder that cannot be
            searched; None: the first is raised.
        on_skip: Told, in a sentence, of each link to a folder: those are not followed.

    Returns:
        Photos in the words' order, those of one word sorted, each once.

    Raises:
        UsageError: If there is none at all.
        PhotoError: If `on_error` is None, and a word names nothing or a folder cannot be searched.
    """
    found: dict[Path, None] = {}
    for word in words:
        problems: list[PhotoError] = []
        photos = _expand(word, problems.append, on_skip)
        if not photos and not problems:
            problems.append(PhotoError(f"{printable(word)}: {_nothing(word)}"))
        for problem in problems:
            if on_error is None:
                raise problem
            on_error(problem)
        found.update(dict.fromkeys(photos))
    if not found:
        raise UsageError("no photo found; name photos, a folder of photos or a pattern")
    return list(found)


def photos_below(
    folder: Path, *, on_error: OnError | None = None, on_skip: OnSkip | None = None
) -> list[Path]:
    """Photos in a folder, to the bottom, sorted; what begins with a dot is left out.

    Args:
        folder: The folder.
        on_error: Called with each folder that cannot be searched; None: the first is raised.
        on_skip: Told, in a sentence, of each link to a folder: those are not followed, as they may
            lead in a circle, or to the same photos again.

    Returns:
        Files of an ending a photo has; none where the folder holds none or is not there.

    Raises:
        PhotoError: If a folder cannot be searched and `on_error` is None.
    """

    def unreadable(error: OSError) -> None:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return
        problem = PhotoError(f"{printable(error.filename)}: {_refusal(error)}")
        if on_error is None:
            raise problem from error
        on_error(problem)

    photos = []
    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in sorted(os.path.join(root, name) for name in folders):  # noqa: PTH118
            if on_skip is not None and os.path.islink(path):  # noqa: PTH114
                on_skip(f"{printable(path)}: links to folders are not followed; name it to search")
        photos += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122
        ]
    return sorted(photos)


def _refusal(error: OSError) -> str:
    return f"cannot be searched: {error.strerror or error}"


def _expand(word: str, on_error: OnError, on_skip: OnSkip | None) -> list[Path]:
    path = Path(word)
    try:
        if path.is_dir():
            return photos_below(path, on_error=on_error, on_skip=on_skip)
        if path.exists() or path.is_symlink():
            return [path]
        if _PATTERN & set(word):
            matches = (Path(match) for match in glob.glob(word, recursive=True))  # noqa: PTH207
            return sorted(match for match in matches if match.is_file())
    except OSError as error:  # no permission, a name too long
        on_error(PhotoError(f"{printable(word)}: {error.strerror or error}"))
    except ValueError:  # a null byte
        pass
    return []


def _nothing(word: str) -> str:
    if os.path.isdir(word):  # noqa: PTH112 (a word may hold a null byte)
        return "no photo is in this folder"
    return "matches no file" if _PATTERN & set(word) else "there is no such file"
