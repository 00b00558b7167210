"""A progress bar on stderr for long work; off a terminal nothing, or a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ralikit.progress import Tell


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
        yield lambda done: None
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
def progress(*, lines_every: float | None = None) -> Iterator[Tell]:
    """Show one stage after another: its name, its share done, and what is left of it.

    Args:
        lines_every: Seconds between lines where stderr is no terminal; None: no lines there.

    Yields:
        A function to call with the stage and the share of it that is done, 0..1.
    """
    if not sys.stderr.isatty():
        yield _silence if lines_every is None else _lines(lines_every)
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


def _silence(_what: str, _done: float) -> None:
    pass


def _lines(every: float) -> Tell:
    last = time.monotonic()

    def tell(what: str, done: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every:
            last = now
            print(f"ralikit: {done:.0%}: {what}", file=sys.stderr, flush=True)

    return tell
