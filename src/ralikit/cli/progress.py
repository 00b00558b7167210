"""How far long work is, on stderr: a bar on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ralikit.progress import Tell


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
        self._begun = self._moved = self._written = clock()

    def tell(self, what: str, done: float) -> None:
        """Note the stage and the share of it that is done, 0..1."""
        with self._lock:
            now = self._clock()
            if _stage(what) != _stage(self._what) or done < self._done:
                self._begun = self._moved = now
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
        worked, still = now - self._begun, now - self._moved
        if not 0 < self._done < 1:
            return f"{self._what}: {_span(worked)} so far"
        # Guessed from when the share last moved: one that stands still would have ever more left.
        left = (self._moved - self._begun) * (1 - self._done) / self._done - still
        if left < -1:
            return f"{self._what}: {self._done:.0%}, for {_span(still)} now"
        return f"{self._what}: {self._done:.0%}, about {_span(max(left, 0))} left"


def _stage(what: str) -> str:
    """A stage's name without the figures behind its comma, which change as it goes on."""
    return what.partition(",")[0]


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def _lines() -> Iterator[Lines]:
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


@contextmanager
def track(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far `total` things have come.

    Args:
        label: What is counted, e.g. ``"photos"``.
        total: How many there are.

    Yields:
        A function to call with the number done so far.
    """
    if not sys.stderr.isatty():
        with _lines() as lines:
            yield lambda done: lines.tell(label, done / max(total, 1))
        return
    from rich.console import Console
    from rich.progress import Progress

    # Results on stdout go above the bar if they share its terminal, and past it if they do not.
    with Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def progress() -> Iterator[Tell]:
    """Show one stage after another: its name, its share done, and what is left of it.

    Yields:
        A function to call with the stage and the share of it that is done, 0..1.
    """
    if not sys.stderr.isatty():
        with _lines() as lines:
            yield lines.tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    # Results on stdout go above the bar if they share its terminal, and past it if they do not.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as bar:
        task = bar.add_task("starting", total=1.0)
        yield _stages(bar, task)


def _stages(bar: Progress, task: TaskID) -> Tell:
    # What is left is told of the stage at hand: one stage's speed says nothing of the next one's.
    before = 0.0

    def tell(what: str, done: float) -> None:
        nonlocal before
        if done < before:
            bar.reset(task)
        before = done
        bar.update(task, description=what, completed=done)

    return tell
