"""What every `ralikit bench` does around its measuring: its words, its photo, its records."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ralikit.bench.records import Record


def command_line() -> str:
    """The words this process was started with, for records."""
    return shlex.join(["ralikit", *sys.argv[1:]])


def keep_record(out: Path, record: Record) -> None:
    """Append a record at once, so that an interrupted run keeps what was finished."""
    from ralikit.bench.records import append
    from ralikit.report.bench import describe

    append(out, [record])
    typer.echo(describe(record))


def warn(message: str) -> None:
    """Say on stderr what is not as it should be."""
    typer.echo(f"ralikit: warning: {message}", err=True)


@contextmanager
def photo_to_time(photo: Path | None) -> Iterator[Path]:
    """The photo to time, or a 12-megapixel JPEG rendered for as long as the bench runs."""
    from ralikit.bench.photos import rendered_jpeg

    if photo is not None:
        yield photo
        return
    with rendered_jpeg(4032, 3024) as path:
        yield path
