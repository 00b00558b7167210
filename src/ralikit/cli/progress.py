"""A progress bar on stderr for long work; nothing at all where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
