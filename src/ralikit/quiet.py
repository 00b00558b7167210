"""Native libraries' chatter, kept off the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_natively() -> Iterator[None]:
    """Keep native libraries' chatter off the terminal; their exceptions still come through.

    It moves file descriptors, as the text is written below Python, and so silences all threads.
    """
    kept: list[tuple[int, int]] = []
    _flush()
    with tempfile.TemporaryFile() as said:
        try:
            for stream in (1, 2):
                with contextlib.suppress(OSError):  # closed already: nothing to keep quiet
                    kept.append((os.dup(stream), stream))
                    os.dup2(said.fileno(), stream)
            yield
        finally:
            _flush()
            for copy, stream in kept:
                os.dup2(copy, stream)
                os.close(copy)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):  # absent, closed, broken
            stream.flush()
