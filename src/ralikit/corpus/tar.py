"""Pictures of a tar file that nobody vouches for, one after another.

A sample is a picture and what goes with it (texts, JSON), as WebDataset has them; only members with
a picture's ending are read. Links, devices, sparse and hidden members are left out and counted.
Nothing is ever extracted.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ralikit.corpus.items import Item, Span
from ralikit.corpus.stores import is_address, opened
from ralikit.errors import DataError
from ralikit.photo.formats import SUFFIXES
from ralikit.printable import printable, shown

SUFFIXES_PLAIN = (".tar",)
SUFFIXES_GZIP = (".tar.gz", ".tgz")

_HEADER = 1 << 20  # bytes of a long name or of extended attributes, which tarfile holds in memory
_NAME = 4096  # characters of a member's name
_EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_ERRORS = (tarfile.TarError, zlib.error, EOFError, OSError, RecursionError, ValueError)


class _DamagedError(Exception):
    """A header that cannot be, e.g. in the middle of what was cut: not tarfile's quiet end."""


class _Checked(tarfile.TarInfo):
    """Headers with bounds; a damaged one is an error wherever it stands."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Checked:
        try:
            made = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if any(buf):
                raise _DamagedError(str(error)) from error
            raise  # the end: zeros, or nothing
        if made.size < 0:
            raise _DamagedError("a member has less than no bytes")
        if made.type in _EXTENDED and made.size > _HEADER:
            raise _DamagedError(f"a member's own header has {made.size:,} bytes, over {_HEADER:,}")
        return made


def read_tar(path: Path | str, *, most: int, left_out: Counter[str]) -> Iterator[Item]:
    """Every picture of a tar file, in its order.

    Pictures of a plain tar file come as their places in it, those of a compressed one and of one in
    an object store as bytes.

    Args:
        path: The file, or its address; one that ends in ``.tar.gz`` or ``.tgz`` is unpacked on the
            way.
        most: Bytes a picture may have.
        left_out: Counts members that are no pictures, by what they are.

    Raises:
        DataError: If the file cannot be read to its end.
    """
    packed, remote = str(path).lower().endswith(SUFFIXES_GZIP), is_address(path)
    mode = "r|gz" if packed else "r|" if remote else "r:"
    place = None if packed or remote else str(path)
    try:
        with opened(path) as (stream, size), _archive(stream, mode) as archive:
            for member in _members(archive):
                key = _key(member, left_out)
                if key is not None:
                    share = min(1.0, stream.tell() / max(1, size))
                    yield _item(archive, member, key, place, most=most, share=share)
    except (_DamagedError, *_ERRORS) as error:
        said = getattr(error, "strerror", None) or shown(str(error)) or type(error).__name__
        raise DataError(
            f"{printable(path)} cannot be read to its end ({said}); get a complete copy"
        ) from error


def _archive(stream: IO[bytes], mode: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode=mode, tarinfo=_Checked)


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        if member.size < 0:  # by an extended header: reading on would go backwards
            raise _DamagedError("a member has less than no bytes")
        yield member
        archive.members = []  # type: ignore[attr-defined]  # else every header stays in memory


def _key(member: tarfile.TarInfo, left_out: Counter[str]) -> str | None:
    """A picture's name without its ending; None where the member is no picture."""
    kind = (
        "links"
        if member.issym() or member.islnk()
        else "folders"
        if member.isdir()
        else "sparse files"
        if member.issparse()
        else "devices and the like"
        if not member.isreg()
        else ""
    )
    stem, suffix = os.path.splitext(member.name)  # noqa: PTH122 (a name, no path of ours)
    if not kind and suffix.lower() not in SUFFIXES:
        kind = "other files"
    elif not kind and os.path.basename(stem).startswith("."):  # noqa: PTH119
        kind = "hidden files"
    if not kind and len(member.name) > _NAME:
        raise _DamagedError(f"a name has {len(member.name):,} characters, over {_NAME:,}")
    if kind:
        left_out[kind] += 1
        return None
    return printable(stem)


def _item(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    key: str,
    place: str | None,
    *,
    most: int,
    share: float,
) -> Item:
    if member.size > most:
        return Item(
            key=key, picture=None, share=share, error=f"has {member.size:,} bytes, over {most:,}"
        )
    if place is not None:
        span = Span(place, member.offset_data, member.size)
        return Item(key=key, picture=span, share=share)
    content: IO[bytes] | None = archive.extractfile(member)
    data = b"" if content is None else content.read(most + 1)
    return Item(key=key, picture=data, share=share, size=len(data))
