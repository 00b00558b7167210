"""From paths to shards: what is read, scored and written as one."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ralikit.corpus.items import Item
from ralikit.corpus.parquet import read_parquet
from ralikit.corpus.settings import CorpusSettings
from ralikit.corpus.tar import SUFFIXES_GZIP, SUFFIXES_PLAIN, read_tar
from ralikit.errors import DataError, UsageError
from ralikit.files import sha256_bytes
from ralikit.photo.find import find_photos
from ralikit.printable import listed, printable

_SUFFIXES = {"webdataset": (*SUFFIXES_PLAIN, *SUFFIXES_GZIP), "parquet": (".parquet",)}
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80  # characters of an output's name that are its input's


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What is written as one file.

    Attributes:
        name: Of the output, without folder.
        files: What is read: one file, or pictures.
        input: What a person calls it.
        digest: Of its files' names and sizes; tells whether it is the same input.
    """

    name: str
    files: tuple[str, ...]
    input: str
    digest: str


def find_shards(settings: CorpusSettings, *, warn: Callable[[str], None]) -> tuple[Shard, ...]:
    """The shards of a corpus, in an order that the same paths always give.

    Args:
        settings: Its source and paths.
        warn: Told, in a sentence, what was passed over, e.g. links to folders.

    Raises:
        UsageError: If there is none.
        DataError: If a path is not there or cannot be searched.
    """
    if settings.source == "folder":
        return _of_pictures(settings, warn)
    files = [file for path in settings.paths for file in _files(path, settings.source, warn)]
    if not files:
        raise UsageError(
            f"no {' or '.join(_SUFFIXES[settings.source])} file in {listed(settings.paths)}"
        )
    unique = list(dict.fromkeys(files))
    return tuple(
        Shard(
            name=f"{number:05d}-{_plain(file)}.parquet",
            files=(file,),
            input=printable(file),
            digest=_digest([file]),
        )
        for number, file in enumerate(unique)
    )


def _of_pictures(settings: CorpusSettings, warn: Callable[[str], None]) -> tuple[Shard, ...]:
    found = find_photos(list(settings.paths), on_error=lambda error: warn(str(error)), on_skip=warn)
    step = settings.shard_pictures
    shards = []
    for number, start in enumerate(range(0, len(found), step)):
        files = tuple(os.fspath(path) for path in found[start : start + step])
        first, last = printable(files[0]), printable(files[-1])
        shards.append(
            Shard(
                name=f"{number:05d}.parquet",
                files=files,
                input=first if len(files) == 1 else f"{first} to {last}",
                digest=_digest(files),
            )
        )
    return tuple(shards)


def _files(path: str, source: str, warn: Callable[[str], None]) -> list[str]:
    suffixes = _SUFFIXES[source]
    try:
        place = Path(path)
        if place.is_file():
            if not place.name.lower().endswith(suffixes):
                raise UsageError(
                    f"{printable(path)} does not end in {' or '.join(suffixes)}: is it {source}?"
                )
            return [os.fspath(place)]
        if place.is_dir():
            return sorted(_below(place, suffixes, warn))
        there = place.exists()
    except OSError as error:
        raise DataError(f"{printable(path)}: {error.strerror or error}") from error
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        there = False  # a name that no file can have
    kind = "is neither a file nor a folder" if there else "there is no such file or folder"
    raise DataError(f"{printable(path)}: {kind}")


def _below(folder: Path, suffixes: tuple[str, ...], warn: Callable[[str], None]) -> Iterator[str]:
    """Files of these endings; links to folders are not followed, hidden ones are left out."""

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if (Path(root) / name).is_symlink():
                warn(f"{printable(Path(root) / name)}: links to folders are not followed")
        for name in names:
            if not name.startswith(".") and name.lower().endswith(suffixes):
                yield os.path.join(root, name)  # noqa: PTH118 (as `find_photos` spells paths)


def _plain(file: str) -> str:
    """What of a file's name may stand in another one's."""
    name = Path(file).name
    suffix = next(s for group in _SUFFIXES.values() for s in group if name.lower().endswith(s))
    return _ODD.sub("_", name[: -len(suffix)]).strip(".")[:_LONGEST] or "shard"


def _digest(files: Sequence[str]) -> str:
    return sha256_bytes("".join(f"{printable(f)}\0{_size(f)}\n" for f in files).encode())


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except (OSError, ValueError):
        return -1  # a link to nothing: its picture is a row with an error


def read_shard(
    shard: Shard, settings: CorpusSettings, *, base: Path, left_out: Counter[str]
) -> Iterator[Item]:
    """Every picture of a shard, in order.

    Args:
        shard: From `find_shards`.
        settings: The same.
        base: Folder that relative paths start at.
        left_out: Counts what is passed over, by what it is.

    Raises:
        DataError: If its file cannot be read to its end.
    """
    if settings.source == "folder":
        return (
            Item(key=printable(file), picture=base / file, share=(i + 1) / len(shard.files))
            for i, file in enumerate(shard.files)
        )
    path = base / shard.files[0]
    if settings.source == "webdataset":
        return read_tar(path, most=settings.picture_bytes, left_out=left_out)
    return read_parquet(path, image=settings.image, key=settings.key, most=settings.picture_bytes)
