"""Fields of a protobuf message straight from its bytes, untrusted: no schema, nothing copied."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def fields(data: memoryview, at: int, end: int) -> Iterator[tuple[int, int | None, int, int]]:
    """Number, value, start and stop of a message's fields; those of fixed width are stepped over.

    Args:
        data: What the message lies in.
        at: Where it begins.
        end: Where it ends.

    Yields:
        The value of a varint; None of what is length-delimited, which lies from start to stop.

    Raises:
        IndexError: If a field runs past the end, or is of no known kind: cut off, or no protobuf.
    """
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            if at + length > end:
                raise IndexError
            yield number, None, at, at + length
            at += length
        elif kind == _VARINT:
            value, stop = _varint(data, at)
            yield number, value, at, stop
            at = stop
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise IndexError


def spans(data: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and stop of the length-delimited fields alone; see `fields`."""
    for number, value, start, stop in fields(data, at, end):
        if value is None:
            yield number, start, stop


def packed(data: memoryview) -> list[int]:
    """Varints that stand one after another.

    Raises:
        IndexError: If the last is cut off.
    """
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
