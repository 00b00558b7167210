"""A file that grows by whole lines, so that a kill loses nothing that was paid for.

A line is written whole, flushed to the disk, and only then counted. A line that a kill tore in
half is cut off when the file is opened again.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ralikit.errors import DataError, UsageError
from ralikit.files import read_json

__all__ = ["Closing", "LineFile", "refuse_other_settings", "settings_path"]


class Closing:
    """Something that a ``with`` block closes at its end, whatever happened."""

    def close(self) -> None:
        """Close it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Use as a context: it is closed at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


class LineFile(Closing):
    """Append lines to a file that nobody else writes meanwhile.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        """Open or create `path`; cut off a last line that was not written to its end.

        Raises:
            DataError: If the file cannot be opened, or another process is writing it.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror or error}") from error
        try:
            self._claim()
            self._cut_torn_line()
        except BaseException:
            self._file.close()
            raise

    def append(self, line: bytes, *, kept: str) -> None:
        """Add one line; when this returns, it is on the disk.

        Args:
            line: With its line feed.
            kept: What the file holds so far, for the message, e.g. ``the 3 photos``.

        Raises:
            DataError: If the disk is full: then the file is as it was before the call.
        """
        start = os.fstat(self._file.fileno()).st_size
        try:
            self._write(line)
        except OSError as error:
            os.ftruncate(self._file.fileno(), start)
            raise DataError(
                f"cannot write {self.path}: {error.strerror or error}; {kept} in it are whole: "
                "make room and run the same command again"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        # Straight to the descriptor: a buffer would try the failed bytes again on close.
        descriptor = self._file.fileno()
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)

    def _claim(self) -> None:
        """Let no second writer in; the system lets go of the file when this one ends or dies."""
        try:
            import fcntl
        except ImportError:  # Windows has no such lock
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(
                f"another process is writing {self.path}; wait for it or name another file"
            ) from error

    def _cut_torn_line(self) -> None:
        data = self.path.read_bytes()
        if data and not data.endswith(b"\n"):
            os.ftruncate(self._file.fileno(), data.rfind(b"\n") + 1)


def settings_path(path: Path) -> Path:
    """Where the settings that began a file are kept: beside it."""
    return path.with_name(path.name + ".settings.json")


def refuse_other_settings(path: Path, settings: dict[str, Any]) -> None:
    """Hold what is asked now against what a file was begun with.

    Raises:
        UsageError: If they differ; the message names what.
    """
    place = settings_path(path)
    found = read_json(place)
    changed = sorted(k for k in {*settings, *found} if settings.get(k) != found.get(k))
    if changed:
        raise UsageError(
            f"{path} was begun with another {', '.join(changed)}; use the settings in "
            f"{place.name}, or name another file"
        )
