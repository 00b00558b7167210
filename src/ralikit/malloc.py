"""glibc's malloc: how large blocks are taken and given back; nothing where malloc is another."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

_M_MMAP_THRESHOLD = -3
_SMALL = 1 << 17
_USUAL = 1 << 25  # where glibc's own adjustment ends


def map_large_blocks() -> None:
    """Let malloc map every block from 128 kB on by itself, so that freeing it gives it back.

    On the heap, small blocks that outlive large ones keep the holes between them with the process.
    A mapped block costs a page fault for every 4 kB: worth it where tensors hold megabytes and
    arithmetic on them takes much longer.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _SMALL)


@contextlib.contextmanager
def large_blocks_mapped() -> Iterator[None]:
    """`map_large_blocks` for a while."""
    map_large_blocks()
    try:
        yield
    finally:
        mallopt = _function("mallopt")
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _USUAL)


def trim() -> None:
    """Give free memory at the heap's end back."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _function(name: str) -> Callable[..., Any] | None:
    with contextlib.suppress(AttributeError, OSError, TypeError):
        function: Callable[..., Any] = getattr(ctypes.CDLL(None), name)
        return function
    return None
