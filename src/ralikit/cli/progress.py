"""How far long work is, on stderr: a bar on a terminal, elsewhere a line every ten seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ralikit.progress import lines_on_stderr

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
        with lines_on_stderr() as lines:
            lines.tell(label, 0.0)  # now: the first of them takes its time too
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
        with lines_on_stderr() as lines:
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
