"""From paths to shards: what is read, scored and written as one."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ralikit.corpus.items import Item, Remote
from ralikit.corpus.parquet import read_parquet
from ralikit.corpus.settings import CorpusSettings, Source
from ralikit.corpus.stores import Store, is_address
from ralikit.corpus.tar import SUFFIXES_GZIP, SUFFIXES_PLAIN, read_tar
from ralikit.errors import DataError, UsageError
from ralikit.files import sha256_bytes
from ralikit.photo.find import find_photos
from ralikit.photo.formats import SUFFIXES
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
    suffixes, files = _SUFFIXES[settings.source], dict[str, int]()
    for path in settings.paths:
        if is_address(path):
            files |= _objects(path, suffixes)
        else:
            files |= {file: _size(file) for file in _files(path, settings.source, warn)}
    if not files:
        raise UsageError(f"no {' or '.join(suffixes)} file in {listed(settings.paths)}")
    return tuple(
        Shard(
            name=f"{number:05d}-{_plain(file)}.parquet",
            files=(file,),
            input=printable(file),
            digest=_digest({file: size}),
        )
        for number, (file, size) in enumerate(files.items())
    )


def source_at(address: str) -> Source:
    """What a corpus in an object store consists of, by its objects' endings.

    Raises:
        DataError: If nothing is there, or it cannot be listed.
        UsageError: If there is nothing to score, or of several kinds.
    """
    found, kinds = _objects(address, ("",)), {**_SUFFIXES, "folder": tuple(SUFFIXES)}
    there = [k for k, s in kinds.items() if any(name.lower().endswith(s) for name in found)]
    if len(there) != 1:
        said = f"holds {' and '.join(there)}" if there else "holds nothing to score"
        raise UsageError(f"{printable(address)} {said}; say which: --from KIND {address}")
    return cast(Source, there[0])


def _of_pictures(settings: CorpusSettings, warn: Callable[[str], None]) -> tuple[Shard, ...]:
    found: dict[str, int] = {}
    local = [path for path in settings.paths if not is_address(path)]
    if local:
        photos = find_photos(local, on_error=lambda error: warn(str(error)), on_skip=warn)
        found = {file: _size(file) for file in map(os.fspath, photos)}
    for path in settings.paths:
        if is_address(path):
            found |= _objects(path, tuple(SUFFIXES))
    if not found:
        raise UsageError(f"no photo in {listed(settings.paths)}")
    names, step = list(found), settings.shard_pictures
    shards = []
    for number, start in enumerate(range(0, len(names), step)):
        files = tuple(names[start : start + step])
        first, last = printable(files[0]), printable(files[-1])
        shards.append(
            Shard(
                name=f"{number:05d}.parquet",
                files=files,
                input=first if len(files) == 1 else f"{first} to {last}",
                digest=_digest({file: found[file] for file in files}),
            )
        )
    return tuple(shards)


def _objects(address: str, suffixes: tuple[str, ...]) -> dict[str, int]:
    """Objects of these endings, with their sizes."""
    found = Store(address).found()
    if not found:
        raise DataError(f"{printable(address)}: there is no such object or prefix")
    if list(found) == [address] and not address.lower().endswith(suffixes):
        raise UsageError(f"{printable(address)} does not end in {' or '.join(suffixes)}")
    return {name: size for name, size in found.items() if name.lower().endswith(suffixes)}


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


def _digest(files: Mapping[str, int]) -> str:
    return sha256_bytes("".join(f"{printable(f)}\0{n}\n" for f, n in files.items()).encode())


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
            Item(
                key=printable(file),
                picture=Remote(file, settings.picture_bytes) if is_address(file) else base / file,
                share=(i + 1) / len(shard.files),
            )
            for i, file in enumerate(shard.files)
        )
    file = shard.files[0]
    path = file if is_address(file) else base / file
    if settings.source == "webdataset":
        return read_tar(path, most=settings.picture_bytes, left_out=left_out)
    return read_parquet(path, image=settings.image, key=settings.key, most=settings.picture_bytes)
