"""How far long work is: told from deep inside it, to whoever started it.

Rounding a large tower takes minutes, several calls below the function that knows of a display. The
listener is kept in a context variable, so that what lies between needs no argument for it. Who has
no display of its own listens with `lines_on_stderr`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from threading import Event, Lock, Thread

Tell = Callable[[str, float], None]
"""Told a stage in words, and the share of it that is done, 0..1."""

_LISTENER: ContextVar[Tell | None] = ContextVar("listener", default=None)


@contextmanager
def telling(listener: Tell | None) -> Iterator[None]:
    """Let `tell` reach a listener for as long as the context is open."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell(stage: str, done: float) -> None:
    """Say how far a stage is; nobody listens unless `telling` is open."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(stage, done)


def counter(stage: str, of: int) -> Callable[[], None]:
    """A function to be called once for each of a stage's pieces."""
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        tell(stage, done / of)

    return count


def share_of(listener: Tell, stage: str, of: int) -> Callable[[int], None]:
    """A function to be called with how many of a stage's pieces are done."""
    return lambda done: listener(stage, done / max(of, 1))


def named(listener: Tell | None, name: str) -> Tell | None:
    """A listener that hears `name` before every stage; None stays None."""
    if listener is None:
        return None
    return lambda stage, done: listener(f"{name}: {stage}", done)


def listened_to() -> bool:
    """Whether `telling` is open."""
    return _LISTENER.get() is not None


PAUSE = 10.0
"""Seconds between two lines where stderr is no terminal; shorter work says nothing."""


class Lines:
    """What is done and what is left, as lines that are neither too many nor too few.

    Args:
        write: Takes a line.
        clock: Seconds, rising.
    """

    def __init__(
        self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._lock = Lock()  # told by those who work, ticked by the thread that watches
        self._what, self._done = "starting", 0.0
        self._first = 0.0  # where the stage stood when it was first heard of
        self._begun = self._moved = self._written = clock()

    def tell(self, what: str, done: float) -> None:
        """Note the stage and the share of it that is done, 0..1.

        What stands behind a comma, such as a loss, may change within a stage.
        """
        with self._lock:
            now = self._clock()
            if is_another(self._what, what) or done < self._done:
                self._begun = self._moved = now
                self._first = done
            elif done > self._done:
                self._moved = now
            self._what, self._done = what, done
        self.tick()

    def tick(self) -> None:
        """Write a line if the last is `PAUSE` or longer ago, whether or not anything moved."""
        with self._lock:
            now = self._clock()
            if now - self._written < PAUSE:
                return
            self._written = now
            line = self._line(now)
        self._write(line)

    def _line(self, now: float) -> str:
        if not 0 < self._done < 1:
            return f"{self._what}: {span(now - self._begun)} so far"
        if self._done <= self._first:
            return f"{self._what}: {self._done:.0%}, {span(now - self._begun)} so far"
        # Guessed from when the share last moved: one that stands still would have ever more left.
        # What an earlier run had done took no time in this one.
        still = now - self._moved
        made = self._done - self._first
        left = (self._moved - self._begun) * (1 - self._done) / made - still
        if left < -1:
            return f"{self._what}: {self._done:.0%}, for {span(still)} now"
        return f"{self._what}: {self._done:.0%}, about {span(max(left, 0))} left"


def is_another(stage: str, what: str) -> bool:
    """Whether `what` names another stage; what stands behind a comma may change within one."""
    return what.partition(",")[0] != stage.partition(",")[0]


def span(seconds: float) -> str:
    """A time as people say it: "12 s", "3 min", "1.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def lines_on_stderr() -> Iterator[Lines]:
    """Lines on stderr for as long as the block works, also while nothing is told."""

    def write(line: str) -> None:
        with suppress(OSError, ValueError):  # stderr that nobody reads ends no work
            print(f"ralikit: {line}", file=sys.stderr, flush=True)

    lines, ended = Lines(write), Event()

    def watch() -> None:
        while not ended.wait(1.0):
            lines.tick()

    watcher = Thread(target=watch, name="ralikit-progress", daemon=True)
    watcher.start()
    try:
        yield lines
    finally:
        ended.set()
        watcher.join()
