"""Photos as a teacher sees them: upright sRGB, or a sentence about the file that is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ralikit.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["list_photos", "open_photo"]


def open_photo(path: Path) -> Image:
    """Open a photo as an upright RGB image in sRGB, by the decoder that scoring uses.

    Raises:
        PhotoError: If it is missing or not a photo; nothing is ever put in its place.
    """
    from PIL import Image as Pil

    from ralikit.photo.decode import decode

    return Pil.fromarray(decode(path).pixels)


def list_photos(folder: Path) -> list[Path]:
    """Every photo below a folder, by name.

    Raises:
        DataError: If there is no such folder or no photo in it.
    """
    from ralikit.photo.decode import SUFFIXES

    if not folder.is_dir():
        raise DataError(f"there is no folder of photos {folder}")
    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not photos:
        raise DataError(f"no photo lies in {folder} (looked for {', '.join(sorted(SUFFIXES))})")
    return photos
