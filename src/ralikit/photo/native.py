"""libtiff, which Pillow decodes with, writes what is wrong with a file to stderr by itself."""

from __future__ import annotations

import contextlib
import ctypes

from PIL import _imaging


def silence_libtiff() -> None:
    """Let libtiff write nothing: Pillow's exception becomes our one sentence.

    At the source, as moving file descriptor 2 aside for a decoder would silence all threads.
    Nothing happens where Pillow was built without libtiff or hides its functions.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        # A library's handle finds the functions of those that it was linked with, too.
        decoders = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(decoders, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
