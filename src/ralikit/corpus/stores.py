"""Object stores: addresses such as ``s3://bucket/prefix``, through fsspec.

What may stand here puts an object whole or not at all, and shows a new one at once: nothing that is
written is ever half there. Other addresses are refused; mount what they name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ralikit.errors import DataError, RalikitError, UsageError
from ralikit.extras import require
from ralikit.printable import error_says, printable, shown

STORES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "memory": ""}
"""Kinds of addresses, and the library that fsspec needs for each."""

_BLOCK = 8 << 20  # bytes fetched at once of an object that is read through
_JOB = "Reading and writing object stores"
_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|CONNECTION_STRING", re.IGNORECASE)


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether it names an object or a prefix in a store, and no file."""
    return isinstance(place, str) and "://" in place


def check_address(address: str) -> None:
    """Refuse an address that cannot be read or written here, without repeating a secret.

    Raises:
        UsageError: If its kind is unknown, or it holds a user, a query or a fragment.
    """
    kind, _, rest = address.partition("://")
    if kind not in STORES:
        raise UsageError(
            f"{shown(kind)}:// is none of {', '.join(f'{k}://' for k in STORES)}: mount or fetch "
            "it, or read it with Ray Data and score it with CorpusScorer (docs/corpus.md)"
        )
    if any(sign in rest for sign in "@?#"):
        raise UsageError(
            f"a {kind}:// address is a bucket and a prefix, without @, ? or #: credentials belong "
            "in the environment or in the store's own files"
        )
    if not rest.strip("/"):
        raise UsageError(f"{kind}:// names no bucket; write {kind}://BUCKET/PREFIX")


@dataclass(frozen=True)
class Store:
    """The store of an address; opened where it is used, so that it travels between processes."""

    address: str

    @property
    def kind(self) -> str:
        """The address's kind."""
        return self.address.partition("://")[0]

    def open(self) -> tuple[Any, str]:
        """The file system of fsspec, and the address as it has it.

        Raises:
            MissingExtraError: If fsspec, or the library of S3, is not installed.
            UsageError: If the library of another kind is not installed.
        """
        fsspec = require("fsspec", extra="s3", job=_JOB)
        library = STORES[self.kind]
        if self.kind == "s3":
            require(library, extra="s3", job=f"An {self.kind}:// address")
        try:
            # Listings are asked for anew: what another process wrote must be seen.
            system = fsspec.filesystem(self.kind, use_listings_cache=False)
        except ImportError as error:
            raise UsageError(
                f"{self.kind}:// needs {library}, which is not installed; "
                f"run: pip install {library}"
            ) from error
        return system, str(system._strip_protocol(self.address)).rstrip("/")

    def found(self) -> dict[str, int]:
        """Addresses of the object, or of all objects below it, with their bytes, in order.

        Raises:
            DataError: If it cannot be listed.
        """
        with reading(self.address):
            system, path = self.open()
            infos = system.find(path, detail=True)
        below = {name[len(path) :].lstrip("/"): info for name, info in infos.items()}
        return {
            f"{self.address.rstrip('/')}/{name}" if name else self.address: int(info["size"] or 0)
            for name, info in sorted(below.items())
            if not any(part.startswith(".") for part in name.split("/"))
        }

    def get(self, *, most: int | None = None) -> bytes:
        """An object's bytes, at most so many.

        Raises:
            DataError: If it cannot be read.
        """
        with reading(self.address):
            system, path = self.open()
            return bytes(system.cat_file(path, start=0 if most else None, end=most))

    def put(self, data: bytes | Path) -> None:
        """Write an object, whole or not at all, in place of what has its name.

        Args:
            data: Its bytes, or a file that holds them.

        Raises:
            RalikitError: If it cannot be written.
        """
        with _told(f"cannot write {printable(self.address)}", RalikitError):
            system, path = self.open()
            if isinstance(data, Path):
                system.put_file(str(data), path)
            else:
                system.pipe_file(path, data)


@contextmanager
def opened(place: Path | str) -> Iterator[tuple[IO[bytes], int]]:
    """A file, or an object by its address, for reading; and its size in bytes.

    Raises:
        OSError: If it cannot be read, then or later.
    """
    if not is_address(place):
        path = Path(place)
        with path.open("rb") as stream:
            yield stream, path.stat().st_size
        return
    with _told("", OSError):
        system, path_there = Store(cast(str, place)).open()
        remote = system.open(path_there, "rb", block_size=_BLOCK, cache_type="readahead")
    with remote:
        yield cast(IO[bytes], _Stream(remote)), int(remote.size)


class _Stream:
    """An object being read, whose errors are all OSErrors, as those of files are."""

    def __init__(self, remote: Any) -> None:
        self._remote = remote
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        with _told("", OSError):
            return bytes(self._remote.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._remote.seek(offset, whence))

    def tell(self) -> int:
        return int(self._remote.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@contextmanager
def reading(address: str) -> Iterator[None]:
    """Say in a sentence why an address cannot be read.

    Raises:
        DataError: For whatever the store's library raises.
    """
    with _told(f"{printable(address)} cannot be read", DataError):
        yield


@contextmanager
def _told(what: str, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except RalikitError:
        raise
    except FileNotFoundError as error:
        raise kind(f"{what}: there is no such object" if what else "no such object") from error
    except Exception as error:  # noqa: BLE001 (every store's library has errors of its own)
        said = without_secrets(error_says(error, most=200, first_line=True))
        raise kind(f"{what}: {said}" if what else said) from None


def without_secrets(said: str) -> str:
    """A text without what the environment holds under names of secrets."""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRET.search(name):
            said = said.replace(value, "…")
    return said
