"""coremltools without its console: no version notes, progress bars or warnings meant for us."""

from __future__ import annotations

import functools
import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ralikit.extras import require


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Silence logging below CRITICAL, warnings and tqdm's bars for the block, then restore all.

    What goes wrong inside still raises; only chatter is lost. Bars are switched off at their class
    rather than by redirecting stderr, which a progress display of our own may be writing to.
    """
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), _no_bars():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _no_bars() -> Iterator[None]:
    try:
        bar = importlib.import_module("tqdm").tqdm
    except ModuleNotFoundError:  # nothing that draws bars is installed
        yield
        return
    original = bar.__init__
    bar.__init__ = functools.partialmethod(original, disable=True)
    try:
        yield
    finally:
        bar.__init__ = original


def coremltools(job: str) -> ModuleType:
    """Import coremltools silently.

    Args:
        job: What needs it, the start of a sentence, e.g. ``"Export to Core ML"``.

    Raises:
        MissingExtraError: If it is not installed.
    """
    with quiet_logs():
        return require("coremltools", extra="coreml", job=job)
