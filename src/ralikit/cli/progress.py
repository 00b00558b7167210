"""How far long work is, on stderr: a bar on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import TYPE_CHECKING

from ralikit.progress import is_another, lines_on_stderr, share_of, span

if TYPE_CHECKING:
    from rich.progress import Progress

    from ralikit.progress import Tell

PATIENCE = 1.0
"""Seconds before a bar is shown: what is done sooner needs none."""


@contextmanager
def track(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far `total` things have come.

    Args:
        label: What is counted, e.g. ``"photos"``.
        total: How many there are.

    Yields:
        A function to call with the number done so far.
    """
    with progress() as tell:
        tell(label, 0.0)
        yield share_of(tell, label, total)


@contextmanager
def progress() -> Iterator[Tell]:
    """Show one stage after another: its name, its share done, and what is left of it.

    Yields:
        A function to call with the stage and the share of it that is done, 0..1.
    """
    if not sys.stderr.isatty():
        with lines_on_stderr() as lines:
            yield lines.tell
        return
    bar = _Bar()
    timer = Timer(PATIENCE, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar.tell
    finally:
        timer.cancel()
        bar.end()


class _Bar:
    """A bar that appears once the work has taken a moment, and is gone when it ends."""

    def __init__(self) -> None:
        self._lock = Lock()  # told by those who work, shown by the timer
        self._what, self._done, self._ended = "starting", 0.0, False
        self._shown: Progress | None = None

    def tell(self, what: str, done: float) -> None:
        """Note the stage and the share of it that is done."""
        with self._lock:
            # What is left is told of the stage at hand: one's speed says nothing of the next one's.
            anew = is_another(self._what, what) or done < self._done
            self._what, self._done = what, done
            if self._shown is not None:
                if anew:
                    self._shown.reset(self._shown.task_ids[0])
                self._update(self._shown)

    def show(self) -> None:
        """Draw the bar from now on, unless the work has ended."""
        shown = _drawn()
        with self._lock:
            if self._ended:
                return
            self._update(shown)
            shown.start()
            self._shown = shown

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._ended = True
            if self._shown is not None:
                self._shown.stop()

    def _update(self, shown: Progress) -> None:
        # A stage of which nothing is known yet moves all the same: a bar at 0 % looks dead.
        total = 1.0 if self._done > 0 else None
        task = shown.task_ids[0]
        shown.update(task, description=self._what, completed=self._done, total=total)


def _drawn() -> Progress:
    """A bar with its stage and what is left of it, or how long it has taken where none can say."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.time_remaining
            if left is None or not task.total:
                return Text(f"{span(task.elapsed or 0)} so far")
            return Text(f"about {span(left)} left")

    shown = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Left(),
        console=Console(stderr=True),
        transient=True,
        # Results on stdout go above the bar if they share its terminal, past it if they do not.
        redirect_stdout=sys.stdout.isatty(),
    )
    shown.add_task("", total=None)
    return shown
