"""When a photo was taken, as its EXIF says."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from PIL import Image

_EXIF, _TAKEN, _FRACTION = 0x8769, 0x9003, 0x9291  # ExifIFD, DateTimeOriginal, SubSecTimeOriginal


def time_taken(image: Image.Image) -> float | None:
    """Seconds since 1970 on the camera's own clock, without regard to a zone; None: not said.

    One camera's photos can be compared by it, which is all it is for. Damaged EXIF says nothing.
    """
    try:
        exif = image.getexif().get_ifd(_EXIF)
        stated, fraction = exif.get(_TAKEN), exif.get(_FRACTION)
        moment = datetime.strptime(str(stated).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        seconds = moment.replace(tzinfo=UTC).timestamp()
    except (AttributeError, LookupError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        return None
    digits = str(fraction or "").strip("\0 ")
    return seconds + (float(f"0.{digits}") if digits.isascii() and digits.isdecimal() else 0.0)
