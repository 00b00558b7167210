"""Ctrl-C, `kill` and a closed terminal end a command alike: what was begun is cleared away."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# SIGHUP is not everywhere. Who starts a command with one of them ignored (nohup) means it so.
_HEEDED = [s for s in signal.Signals if s.name in {"SIGINT", "SIGTERM", "SIGHUP"}]
_UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


@contextmanager
def heeding_signals() -> Iterator[list[signal.Signals]]:
    """Turn signals that end a process into KeyboardInterrupt, which lets every block clean up.

    Yields:
        The signals that came, in order: whatever became of the exception on its way up, e.g. an
        ImportError where it met a native library being loaded.
    """
    received: list[signal.Signals] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {s: signal.getsignal(s) for s in _HEEDED}
    ours = [s for s in _HEEDED if before[s] in _UNTOUCHED]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield received
    finally:
        for number in ours:
            signal.signal(number, before[number])
        # The interpreter takes its time to end; nothing is left to be cleared away by then.
        atexit.register(_end_at_once, ours)


def _end_at_once(numbers: list[signal.Signals]) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
