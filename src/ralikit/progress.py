"""How far a long export is: told from deep inside it, to whoever started it.

Rounding a large tower takes minutes, several calls below the function that knows of a display. The
listener is kept in a context variable, so that what lies between needs no argument for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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


def named(listener: Tell | None, name: str) -> Tell | None:
    """A listener that hears `name` before every stage; None stays None."""
    if listener is None:
        return None
    return lambda stage, done: listener(f"{name}: {stage}", done)
