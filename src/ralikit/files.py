"""Files that are whole or absent: written beside their place, flushed, then renamed into it."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ralikit.drafts import OLD, draft_folder, flush, rename_over, sweep
from ralikit.errors import RalikitError, UsageError


def sha256_bytes(data: bytes) -> str:
    """Hash bytes; 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_path(path: Path) -> str:
    """Hash a file, or a folder by its sorted relative names and contents; 64 hexadecimal digits."""
    if path.is_dir():
        listing = [
            f"{file.relative_to(path).as_posix()}\0{sha256_path(file)}\n"
            for file in sorted(path.rglob("*"), key=lambda p: p.relative_to(path).as_posix())
            if file.is_file()
        ]
        return sha256_bytes("".join(listing).encode())
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_bytes(path: Path) -> int:
    """Size of a file, or of all files below a folder, in bytes."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def is_file(path: Path) -> bool:
    """Whether there is a file, for names that anybody may have chosen.

    A name that no file can have (too long, with NUL or half a character in it) is none's.
    """
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """The project's JSON: sorted keys, no NaN, UTF-8 kept; the same value gives the same text."""
    text = json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n" if indent is not None else text


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        RalikitError: If the file is missing, unreadable or not JSON (see `parse_json`).
    """
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RalikitError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RalikitError(f"{path} is not valid JSON: {error}") from error


def parse_json(text: str | bytes) -> Any:
    """Plain values from a JSON text that anybody may have written.

    What passes can be written again: it is not nested deeply, its numbers are finite as floats too,
    its texts are Unicode.

    Raises:
        ValueError: If it is anything else; the message is one short sentence's end.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_plain(value)
    return value


_DEPTH = 64
_TOO_DEEP = f"it is nested more than {_DEPTH} deep"


def _refuse_constant(word: str) -> float:
    raise ValueError(f"it has {word}, which is no number in JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"it has the number {digits[:20]}, which is too large")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it has a whole number of {len(digits):,} digits, which is too large")
    return int(digits)


_DIGITS = 300  # fewer than a float can hold


def _check_plain(value: Any) -> None:
    """Refuse what is nested too deeply, and texts with half of a surrogate pair in them."""
    level, depth = [value], 0
    while level:
        if depth > _DEPTH:
            raise ValueError(_TOO_DEEP)
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.keys())
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, str) and not item.isascii():
                _check_text(item)
        level, depth = inner, depth + 1


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text[:40]!a} is not Unicode: half a character") from None


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Stop before any work where a file or folder is in the way.

    Raises:
        UsageError: If `target` exists and `overwrite` is not set.
    """
    if not overwrite and (target.exists() or target.is_symlink()):
        raise UsageError(f"{target} exists already; pass --overwrite to replace it")


@contextmanager
def publish(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a path to write a file or folder to; it becomes `target` only if the block succeeds.

    The draft lies in `target`'s own folder, so that the final rename is atomic; whatever goes
    wrong before it leaves nothing under the final name and removes the draft. What a killed
    process left there is removed first.

    Args:
        target: Where the finished file or folder shall be.
        overwrite: Replace an existing one; otherwise it is an error before any work is done, and
            again where one appears meanwhile.

    Raises:
        UsageError: If `target` exists and `overwrite` is not set.
        RalikitError: If the folder cannot be written (read-only, full disk, no such place).
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 (resolve() would follow a link at target)
    refuse_existing(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with draft_folder(target.parent) as workdir:
            draft = workdir / target.name
            yield draft
            refuse_existing(target, overwrite=overwrite)
            flush(draft)
            rename_over(draft, target, aside=workdir / OLD)
    except OSError as error:
        raise RalikitError(f"cannot write {target}: {error.strerror or error}") from error


def write_text(target: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file whole or not at all."""
    with publish(target, overwrite=overwrite) as draft:
        draft.write_text(text, encoding="utf-8")
