"""Photos as a teacher sees them: upright RGB, or a sentence about the file that is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ralikit.errors import DataError, PhotoError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PHOTO_SUFFIXES", "list_photos", "open_photo"]

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


def open_photo(path: Path) -> Image:
    """Open a photo: EXIF orientation applied, any mode turned into RGB.

    Raises:
        PhotoError: If it is missing or not a photo; nothing is ever put in its place.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise PhotoError(f"{path} is not a photo that can be read") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PhotoError(f"cannot read the photo {path}: {error}") from error


def list_photos(folder: Path) -> list[Path]:
    """Every photo below a folder, by name.

    Raises:
        DataError: If there is no such folder or no photo in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder of photos {folder}")
    photos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES)
    if not photos:
        raise DataError(
            f"no photo lies in {folder} (looked for {', '.join(sorted(PHOTO_SUFFIXES))})"
        )
    return photos
