"""Exports compute on one thread of torch, so that a file does not depend on a computer's cores.

torch cuts sums by the number of its threads, and planning rounds what they give: int8 plans of 1
and 2 threads differed. Scores read photo by photo use the other cores all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

In = TypeVar("In")
Out = TypeVar("Out")

_MOST = 4  # photos at once: each holds a pass's activations


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute on one thread in the block; also a decorator."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """``map(work, items)`` in order, several at once, each on one thread of its own.

    Args:
        work: Changes nothing; it must not count on the caller's `torch.inference_mode`, which is a
            thread's own.
        items: What to work on.
    """
    with one_thread(), ThreadPoolExecutor(min(_MOST, os.cpu_count() or 1)) as pool:
        yield from pool.map(work, items)
