"""The folder of photos a teacher is shown: all of it, or a sentence about why there is none."""

from __future__ import annotations

from pathlib import Path

from ralikit.errors import DataError
from ralikit.photo.find import photos_below
from ralikit.photo.formats import ENDINGS

__all__ = ["list_photos"]


def list_photos(folder: Path) -> list[Path]:
    """Every photo below a folder, by name.

    Raises:
        DataError: If there is no such folder or no photo in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder of photos {folder}")
    photos = photos_below(folder)
    if not photos:
        raise DataError(f"no photo lies in {folder} (looked for {ENDINGS})")
    return photos
