"""Named arrays in safetensors files, read and written without its library."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ralikit.errors import BundleError
from ralikit.files import parse_json
from ralikit.printable import shown

_AXES = 32
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}


def read_safetensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read named arrays; the format is a length, a JSON table and the bytes.

    Written out here because the core install has no safetensors library; every offset is checked
    against the file before use.

    Raises:
        BundleError: If the file is not whole or not safetensors.
    """
    try:
        data = path.read_bytes()
        table, begins = _read_table(data[:8], lambda count: data[8 : 8 + count])
        body = memoryview(data)[begins:]
        return {
            name: _read_tensor(name, entry, body) for name, entry in table.items() if name != _NOTES
        }
    except _NOT_SAFETENSORS as error:
        raise _unreadable(path, error) from error


_NOTES = "__metadata__"
_LONGEST_TABLE = 100 * 2**20  # safetensors' own limit
_NOT_SAFETENSORS = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error)


def _unreadable(path: Path, error: Exception) -> BundleError:
    if isinstance(error, OSError):
        return BundleError(f"cannot read {path}: {error.strerror or error}")
    return BundleError(f"{path} is not a valid safetensors file: {shown(str(error))}")


def _read_table(begin: bytes, read: Callable[[int], bytes]) -> tuple[dict[str, Any], int]:
    """A safetensors file's table, and where its numbers begin, bytes."""
    (length,) = struct.unpack("<Q", begin)
    if length > _LONGEST_TABLE:
        raise ValueError(f"its table is cut off, or longer than {_LONGEST_TABLE:,} bytes")
    text = read(length)
    if len(text) != length:
        raise ValueError("its table is cut off")
    table: dict[str, Any] = parse_json(text)
    return table, 8 + length


def _read_tensor(name: str, entry: Any, body: memoryview) -> np.ndarray[Any, Any]:
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(body):
        raise ValueError(f"{shown(name)} lies outside the file")
    shape = entry["shape"]
    if len(shape) > _AXES or any(type(extent) is not int or extent < 0 for extent in shape):
        raise ValueError(f"{shown(name)} has a shape that no array has")
    return np.frombuffer(body[begin:end], dtype=_DTYPES[entry["dtype"]]).reshape(shape)


def write_safetensors(
    path: Path,
    tensors: dict[str, np.ndarray[Any, Any]],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write named arrays in sorted order: the same tensors give the same bytes."""
    path.write_bytes(safetensors_bytes(tensors, metadata))


def safetensors_bytes(
    tensors: dict[str, np.ndarray[Any, Any]], metadata: dict[str, str] | None = None
) -> bytes:
    """What `write_safetensors` writes."""
    names = {np.dtype(v): k for k, v in _DTYPES.items()}
    table: dict[str, Any] = {_NOTES: dict(sorted(metadata.items()))} if metadata else {}
    chunks, offset = [], 0
    for name, array in sorted(tensors.items()):
        chunk = np.ascontiguousarray(array).tobytes()
        table[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(chunk)],
        }
        chunks.append(chunk)
        offset += len(chunk)
    header = json.dumps(table, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(chunks)


def count_numbers(path: Path) -> int:
    """How many numbers a file's arrays have together, read off its table alone.

    Raises:
        BundleError: If the file is not whole or not safetensors.
    """
    try:
        with path.open("rb") as stream:
            table, _ = _read_table(stream.read(8), stream.read)
        return sum(math.prod(entry["shape"]) for name, entry in table.items() if name != _NOTES)
    except _NOT_SAFETENSORS as error:
        raise _unreadable(path, error) from error
