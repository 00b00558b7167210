"""A teacher's ratings of photos, on the disk as they come: asking again costs GPU hours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ralikit.data.line_file import (
    Closing,
    LineFile,
    refuse_other_settings,
    settings_path,
)
from ralikit.errors import DataError, UsageError
from ralikit.files import to_json, write_text
from ralikit.lines import numbered_lines

__all__ = ["AnswerFile"]


class AnswerFile(Closing):
    """Ratings by photo: one JSON line each, with the answers they were read from.

    Beside it lies ``NAME.settings.json``, what was asked of whom; other settings do not go on with
    it.

    Attributes:
        done: By photo its rating, or None where the teacher gave none.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Open or create `path`.

        Args:
            path: JSON lines.
            settings: Everything that changes an answer.

        Raises:
            DataError: If it cannot be opened, or a whole line in it is no rating.
            UsageError: If it was begun with other settings.
        """
        self._file = LineFile(path)
        try:
            self.done = _read(path)
            _hold(path, settings, begun=bool(self.done))
        except BaseException:
            self._file.close()
            raise

    def add(self, photo: str, rating: float | None, answers: list[dict[str, Any]]) -> None:
        """Add one photo; when this returns, it is on the disk.

        Args:
            photo: Its path.
            rating: 1..5; None where no answer gave one.
            answers: For each answer its ``seed``, ``rating`` and ``text``.
        """
        line = json.dumps({"photo": photo, "rating": rating, "answers": answers}) + "\n"
        self._file.append(line.encode(), kept=f"the {len(self.done)} photos")
        self.done[photo] = rating

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(path: Path) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for number, line in numbered_lines(path.read_bytes()):
        try:
            entry = json.loads(line)
            rating = entry["rating"]
            found[str(entry["photo"])] = None if rating is None else float(rating)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number} is not a rating of a photo; name another file"
            ) from error
    return found


def _hold(path: Path, settings: dict[str, Any], *, begun: bool) -> None:
    """Keep the settings beside the file, or refuse to go on under others."""
    place = settings_path(path)
    if not begun:
        write_text(place, to_json(settings))
        return
    if not place.exists():
        raise UsageError(f"{path} holds answers that something else wrote; name another file")
    refuse_other_settings(path, settings)
