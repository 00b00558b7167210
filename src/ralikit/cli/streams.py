"""Standard output and error that may be closed, full or read by nobody.

Whoever pipes a command somewhere meets one rule: the work goes on and its exit code stays, what
cannot be written is dropped, and lost output (not a reader that has had enough, as ``head``) makes
a success a failure, in one line on stderr.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# How each of the three is opened where whoever started this process closed it. Output gets a
# descriptor that cannot be written, so that losing it is noticed; errors go nowhere.
_CLOSED = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}


class _Forgiving(io.FileIO):
    """A descriptor whose first failed write is remembered, and after which nothing is written."""

    lost: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


class Stream(io.TextIOWrapper):
    """Text to a descriptor; a write never fails, and `lost` tells that one did.

    What the encoding lacks, or a file name's lone surrogate, is written as an escape. Not failing
    is what keeps the interpreter, rich and logging from raising at their own places.
    """

    def __init__(self, descriptor: int, like: TextIO | None = None, *, owned: bool = False) -> None:
        """Write to `descriptor` as `like` did; `owned`: close it with the stream."""
        self._raw = _Forgiving(descriptor, "wb", closefd=owned)
        wrapper = like if isinstance(like, io.TextIOWrapper) else None
        at_once = wrapper is not None and wrapper.write_through  # PYTHONUNBUFFERED
        super().__init__(
            self._raw if at_once else io.BufferedWriter(self._raw),
            encoding=like.encoding if like else "utf-8",
            errors="backslashreplace" if like is None or like.errors == "strict" else like.errors,
            line_buffering=wrapper is None or wrapper.line_buffering,
            write_through=at_once,
        )

    @property
    def lost(self) -> OSError | None:
        """Why something could not be written; None where everything was."""
        return self._raw.lost


def open_streams() -> None:
    """Give the process three open descriptors, and forgiving streams on two of them.

    A descriptor that is closed would be taken by the next file that is opened, and native
    libraries would print into it. Streams that someone has put in place already are left alone.
    """
    for descriptor, mode in _CLOSED.items():
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (lives as long as the process)
    if _replaceable(sys.stdout, sys.__stdout__):
        sys.stdout = Stream(1, sys.stdout)
    if _replaceable(sys.stderr, sys.__stderr__):
        sys.stderr = Stream(2, sys.stderr)


def _replaceable(stream: TextIO | None, original: TextIO | None) -> bool:
    if stream is None:
        return True
    # Windows' console takes text through a class of its own.
    return stream is original and not (os.name == "nt" and stream.isatty())


def unread() -> bool:
    """Whether standard output is lost, so that work for its sake alone need not go on."""
    return isinstance(sys.stdout, Stream) and sys.stdout.lost is not None


def end_output() -> str:
    """Write what is still buffered, and say in words why output was lost; "" where it was not.

    A reader that went away has what it wanted: that is no loss.
    """
    sys.stdout.flush()
    lost = sys.stdout.lost if isinstance(sys.stdout, Stream) else None
    if lost is None or lost.errno == errno.EPIPE:
        return ""
    why = "it is closed" if lost.errno == errno.EBADF else lost.strerror or str(lost)
    return f"cannot write to standard output: {why}"
