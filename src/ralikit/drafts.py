"""Where files lie while they are written, whose they are, and how they get their final names.

A draft's folder is locked by the process that writes in it, and the kernel lets go of the lock
whatever ends the process: a folder that can be locked belongs to nobody. Where there are no such
locks (Windows, some network file systems) nothing is ever taken for left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ralikit.errors import RalikitError

try:
    import fcntl
except ImportError:  # Windows
    _LOCKS = False
else:
    _LOCKS = True

DRAFT = ".ralikit-draft-"
"""What the names of drafts begin with."""
OLD = ".old"
"""In a draft's folder: what was under the final name, until the new one is."""
_HELD = ".held"  # ends the names of folders that are locked while they are in use
_DAY = 86_400.0  # seconds; what has another ending is from a version that did not lock
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, this process's own, and gone after the block.

    Raises:
        OSError: If it cannot be made.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=DRAFT, suffix=_HELD, dir=parent))
        with suppress(BlockingIOError):  # it is being swept, between the two steps
            lock = _lock(folder)
            if folder.exists():
                break
            _close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _close(lock)


def refuse_unwritable(folder: Path) -> None:
    """Know before long work that its folder cannot be written; it need not be there yet.

    Raises:
        RalikitError: If nothing can be written in it, or in what it would be made in.
    """
    there = next((p for p in (folder, *folder.absolute().parents) if p.exists()), folder)
    try:
        with draft_folder(there):
            pass
    except OSError as error:
        raise RalikitError(f"cannot write in {folder}: {error.strerror or error}") from error


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Make sure that no other process writes a file while the block does.

    Raises:
        RalikitError: If one does.
        OSError: If the folder cannot be written.
    """
    place = file.parent / f"{DRAFT}{file.name}{_HELD}"
    while True:
        place.mkdir(parents=True, exist_ok=True)
        try:
            lock = _lock(place)
        except BlockingIOError as error:
            raise RalikitError(
                f"{file} is being written by another ralikit; wait for it, or choose another folder"
            ) from error
        if place.exists():
            break
        _close(lock)  # its last owner has just removed it
    try:
        yield
    finally:
        shutil.rmtree(place, ignore_errors=True)
        _close(lock)


def sweep(parent: Path) -> None:
    """Remove drafts that killed processes left in a folder; put back what they were replacing."""
    if not _LOCKS:
        return
    for folder in parent.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if folder.name.endswith(_HELD) or time.time() - folder.stat().st_mtime > _DAY:
                _remove_unowned(folder)


def flush(path: Path) -> None:
    """Have a file, or all of a folder, on the disk and not only on its way there."""
    for entry in (path, *(path.rglob("*") if path.is_dir() else ())):
        _sync(entry)


def rename_over(draft: Path, target: Path, *, aside: Path) -> None:
    """Give a draft its final name, in place of what has it, and have that on the disk.

    Args:
        draft: A file or folder.
        target: Its final name.
        aside: A place for what was there, where a folder cannot be replaced in one step.
    """
    if not target.is_dir() or target.is_symlink():
        draft.replace(target)
    elif not _exchanged(draft, target):
        target.rename(aside)
        try:
            draft.rename(target)
        except OSError:
            aside.rename(target)
            raise
    _sync(target.parent)


def _exchanged(draft: Path, target: Path) -> bool:
    # Linux swaps two folders in one step; what was there then lies where the draft lay.
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    names = os.fsencode(draft), os.fsencode(target)
    return bool(swap(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _remove_unowned(folder: Path) -> None:
    try:
        lock = _lock(folder)
    except BlockingIOError:
        return  # its owner lives
    if lock is None:
        return
    try:
        for old in folder.glob(OLD):
            # The names of what is in the folder are the final ones.
            for draft in folder.iterdir():
                if draft != old and not (folder.parent / draft.name).exists():
                    old.rename(folder.parent / draft.name)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        _close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until `_close`, or this process's end; None where that cannot be done.

    Raises:
        BlockingIOError: If another one has it.
    """
    if not _LOCKS:
        return None
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


def _close(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _sync(path: Path) -> None:
    try:
        stream = os.open(path, os.O_RDONLY)
    except OSError:
        if path.is_dir():  # Windows opens no folders
            return
        raise
    try:
        os.fsync(stream)
    except OSError:
        if not path.is_dir():  # some file systems sync no folders
            raise
    finally:
        os.close(stream)
