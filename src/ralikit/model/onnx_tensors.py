"""A tower's tensors out of an ONNX file that holds them as they are, without the onnx package.

A bundle may keep its weights once, in the file that scores without torch: its initialisers
``tower.NAME`` are the tower's tensors, of the same shape and, in float16, of the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.model.protobuf import fields, packed, spans

PREFIX = "tower."
"""What the names of the tower's initialisers begin with."""

# Numbers of fields in onnx.proto, and of the two types that are read.
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_DTYPES = {1: "<f4", 10: "<f2"}


def read_tower(path: Path) -> dict[str, NDArray[np.float16]]:
    """The tower's tensors, float16, by their names in the tower.

    Raises:
        BundleError: If the file cannot be read, or holds a tensor that float16 does not.
    """
    try:
        return dict(_towers(memoryview(path.read_bytes()), where=path))
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    except (IndexError, ValueError, KeyError) as error:
        raise BundleError(f"{path} is damaged or no ONNX file") from error


def _towers(data: memoryview, *, where: Path) -> Iterator[tuple[str, NDArray[np.float16]]]:
    graphs = (span for span in spans(data, 0, len(data)) if span[0] == _GRAPH)
    for _, begin, end in graphs:
        for number, start, stop in spans(data, begin, end):
            if number != _INITIALIZER:
                continue
            name, array = _tensor(data[start:stop])
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
    for number, value, start, stop in fields(message, 0, len(message)):
        if number == _DIMS:
            shape += packed(message[start:stop])  # one varint, or several
        elif number == _TYPE and value is not None:
            kind = value
        elif number == _NAME and value is None:
            name = bytes(message[start:stop]).decode()
        elif number == _RAW and value is None:
            raw = message[start:stop]
    if raw is None or kind not in _DTYPES:
        return name, None
    return name, np.frombuffer(raw, dtype=_DTYPES[kind]).reshape(shape)
