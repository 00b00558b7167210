"""Where rows go: a folder, or a prefix in an object store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ralikit.corpus.stores import Store, is_address
from ralikit.drafts import DRAFT, OLD, draft_folder, flush, only_writer, rename_over, sweep
from ralikit.errors import DataError, RalikitError
from ralikit.files import parse_json, read_json, write_text


class Output(Protocol):
    """What holds a corpus's rows; every file in it is whole, or not there."""

    def opened(self, manifest: str) -> Any:
        """A context in which it is there, and as far as that can be had, nobody else writes."""
        ...

    def names(self) -> Iterable[str]:
        """What is directly in it, drafts left out."""
        ...

    def read_json(self, name: str) -> Any:
        """A JSON file of it."""
        ...

    def write_text(self, name: str, text: str) -> None:
        """Write a file that is not there yet, whole."""
        ...

    def place(self, name: str) -> Path | str:
        """Path or address of a file of it."""
        ...

    def drafts(self) -> Any:
        """A context with a new folder on this computer, for a file that is being written."""
        ...

    def publish(self, draft: Path) -> None:
        """Give a finished draft its name here, in one step, in place of what has it."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this computer."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def opened(self, manifest: str) -> Iterator[None]:
        """Make it, alone in it, without what killed processes left.

        Raises:
            RalikitError: If another process writes there, or it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with only_writer(self.path / manifest):
                sweep(self.path)
                yield
        except OSError as error:
            raise RalikitError(f"cannot write {self.path}: {error.strerror or error}") from error

    def names(self) -> Iterable[str]:
        """What is in it."""
        return [p.name for p in self.path.iterdir() if not p.name.startswith(DRAFT)]

    def read_json(self, name: str) -> Any:
        """A JSON file of it."""
        return read_json(self.path / name)

    def write_text(self, name: str, text: str) -> None:
        """Write a file that is not there yet."""
        write_text(self.path / name, text, overwrite=False)

    def place(self, name: str) -> Path:
        """Path of a file of it."""
        return self.path / name

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """A folder in it, so that a rename is one step."""
        with draft_folder(self.path) as folder:
            yield folder

    def publish(self, draft: Path) -> None:
        """Rename it, on the disk and not only on its way there."""
        flush(draft)
        rename_over(draft, self.path / draft.name, aside=draft.parent / OLD)


@dataclass(frozen=True)
class Prefix:
    """A prefix in an object store, which puts objects whole.

    Two commands that write to one prefix are not kept apart, as stores have no locks: both put the
    same bytes under the same names.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @contextmanager
    def opened(self, manifest: str) -> Iterator[None]:
        """Remove the drafts that killed processes left on this computer."""
        del manifest
        sweep(Path(tempfile.gettempdir()))
        yield

    def names(self) -> Iterable[str]:
        """What is below it."""
        start = len(self.address.rstrip("/")) + 1
        return [address[start:] for address in Store(self.address).found()]

    def read_json(self, name: str) -> Any:
        """A JSON object of it."""
        where = self.place(name)
        try:
            return parse_json(Store(where).get())
        except ValueError as error:
            raise DataError(f"{where} is not valid JSON: {error}") from error

    def write_text(self, name: str, text: str) -> None:
        """Put an object."""
        Store(self.place(name)).put(text.encode())

    def place(self, name: str) -> str:
        """Address of an object of it."""
        return f"{self.address.rstrip('/')}/{name}"

    @contextmanager
    def drafts(self) -> Iterator[Path]:
        """A folder among this computer's temporary ones."""
        with draft_folder(Path(tempfile.gettempdir())) as folder:
            yield folder

    def publish(self, draft: Path) -> None:
        """Put it."""
        Store(self.place(draft.name)).put(draft)


def output_of(out: Path | str, base: Path) -> Output:
    """The output that settings name; relative paths start at `base`."""
    return Prefix(str(out)) if is_address(out) else Folder(base / out)
