"""A tower's tensors out of an ONNX file that holds them as they are, without the onnx package.

A bundle may keep its weights once, in the file that scores without torch: its initialisers
``tower.NAME`` are the tower's tensors, of the same shape and, in float16, of the same bytes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError

PREFIX = "tower."
"""What the names of the tower's initialisers begin with."""

# Numbers of fields in onnx.proto, and of the two types that are read.
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_DTYPES = {1: "<f4", 10: "<f2"}
_VARINT, _LENGTH_DELIMITED = 0, 2


def read_tower(path: Path) -> dict[str, NDArray[np.float16]]:
    """The tower's tensors, float16, by their names in the tower.

    Raises:
        BundleError: If the file cannot be read, or holds a tensor that float16 does not.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            data = bytes(m)
        return dict(_towers(memoryview(data), where=path))
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except (IndexError, ValueError, KeyError) as error:
        raise BundleError(f"{path} is damaged or no ONNX file") from error


def _towers(data: memoryview, *, where: Path) -> Iterator[tuple[str, NDArray[np.float16]]]:
    for number, _, graph in _fields(data):
        if number != _GRAPH or not isinstance(graph, memoryview):
            continue
        for inner, _, tensor in _fields(graph):
            if inner != _INITIALIZER or not isinstance(tensor, memoryview):
                continue
            name, array = _tensor(tensor)
            if not name.startswith(PREFIX) or array is None:
                continue
            half = array.astype(np.float16)
            if not np.array_equal(half.astype(array.dtype), array):
                raise BundleError(f"{where}: {name} is more than float16 holds")
            yield name.removeprefix(PREFIX), half


def _tensor(message: memoryview) -> tuple[str, NDArray[Any] | None]:
    """Name and numbers of a TensorProto; None where they are of another type or not raw."""
    shape: list[int] = []
    kind, name, raw = 0, "", None
    for number, wire, value in _fields(message):
        if number == _DIMS and wire == _VARINT:
            shape.append(int(value))
        elif number == _DIMS and isinstance(value, memoryview):
            shape += _packed(value)
        elif number == _TYPE and not isinstance(value, memoryview):
            kind = value
        elif number == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == _RAW:
            raw = value
    if raw is None or kind not in _DTYPES:
        return name, None
    return name, np.frombuffer(raw, dtype=_DTYPES[kind]).reshape(shape)  # type: ignore[arg-type]


def _packed(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Number, wire type and value of a message's fields; those of fixed width are stepped over."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
        elif wire == _LENGTH_DELIMITED:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError
            yield number, wire, data[at : at + length]
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise IndexError


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
