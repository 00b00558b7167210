"""Damage that knows the format: one change to JSON, a protobuf, a flatbuffer or plain bytes.

Bytes flipped at random are refused by the first length that does not fit. These changes keep what
surrounds them whole, so that what they reach is the reader behind the parser.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]

EXTREMES = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"1e99", b"NaN,", b"[[[["]
_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2,
    1e-30,
    0.5,
    1e30,
    10**9,
    2**31,
    2**63,
    10**310,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\0",
    "\ud800",
    "a" * 5000,
    "../../x",
    [],
    {},
    [[0.0, 0.0]] * 3,
    [None],
    {"": []},
]


def pick(rng: np.random.Generator, things: Any) -> Any:
    """One of a sequence."""
    return things[int(rng.integers(len(things)))]


def flipped(data: bytes, rng: np.random.Generator, *, reach: int | None = None) -> bytes:
    """A few bits flipped, in the first `reach` bytes or anywhere."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 12))):
        changed[int(rng.integers(min(reach or len(data), len(data))))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def one_bit(data: bytes, rng: np.random.Generator) -> bytes:
    """One bit flipped: the least that a disk does."""
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """The end gone."""
    return data[: int(rng.integers(1, len(data)))]


def extreme(data: bytes, rng: np.random.Generator) -> bytes:
    """Four bytes that are a length or a number at its largest."""
    at = int(rng.integers(max(1, len(data) - 4)))
    number: bytes = pick(rng, EXTREMES)
    return data[:at] + number + data[at + 4 :]


def repeated(data: bytes, rng: np.random.Generator) -> bytes:
    """A piece gone, or there several times."""
    at, size = int(rng.integers(len(data))), int(rng.integers(1, 64))
    return data[:at] + data[at : at + size] * int(rng.integers(0, 4)) + data[at + size :]


def longer(data: bytes, rng: np.random.Generator) -> bytes:
    """Something behind the end."""
    return data + rng.bytes(int(rng.integers(1, 200)))


BYTES: tuple[Damage, ...] = (flipped, one_bit, cut, extreme, repeated, longer)


def json_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """A JSON text with one value, key or number changed; still JSON but for NaN."""
    root = [json.loads(data)]
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(root))
        holder, key = pick(rng, places)
        kind = int(rng.integers(6))
        old = holder[key]
        if kind == 0 and holder is not root:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[pick(rng, ["", "x", "\u2028", str(key) + " ", "schema"])] = holder.pop(key)
        elif kind == 2 and type(old) in (int, float):
            holder[key] = old * pick(rng, [2, 10, -1, 1e-3, 1e6]) + pick(rng, [0, 1, -1])
        elif kind == 3:
            for _ in range(int(rng.integers(1, 100))):
                holder[key] = [holder[key]]
        else:
            other_holder, other = pick(rng, places)
            holder[key] = deepcopy(pick(rng, [*_VALUES, other_holder[other]]))
    return json.dumps(root[0], sort_keys=True, separators=(",", ":")).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = range(len(value)) if isinstance(value, list) else value if value else ()
    for key in list(keys):
        yield value, key
        if isinstance(value[key], list | dict):
            yield from _places(value[key])


def json_twice(data: bytes, rng: np.random.Generator) -> bytes:
    """A JSON object with one of its keys there twice, the second value another."""
    value = json.loads(data)
    key = pick(rng, sorted(value))
    more = json.dumps({key: pick(rng, _VALUES)})
    return json.dumps(value)[:-1].encode() + b"," + more[1:].encode()


@dataclass(frozen=True)
class Field:
    """One field of a protobuf: where its tag, its length and its value begin, and its end."""

    tag: int
    length: int
    begin: int
    end: int
    kind: int
    parents: tuple[tuple[int, int, int], ...]


def fields(data: bytes, at: int = 0, end: int | None = None, parents: Any = ()) -> list[Field]:
    """Every field that looks like one, inner messages' too; [] where the bytes are no message."""
    found: list[Field] = []
    end = len(data) if end is None else end
    while at < end:
        begun = at
        try:
            tag, at = _read_varint(data, at, end)
            kind, length = tag & 7, at
            if tag >> 3 == 0 or tag >> 3 > 4000:
                return []
            if kind == 0:
                _, at = _read_varint(data, at, end)
                found.append(Field(begun, length, length, at, kind, parents))
            elif kind in (1, 5):
                at += 8 if kind == 1 else 4
                found.append(Field(begun, length, length, at, kind, parents))
            elif kind == 2:
                size, begin = _read_varint(data, at, end)
                at = begin + size
                found.append(Field(begun, length, begin, at, kind, parents))
                if at <= end and len(parents) < 8:
                    within = (*parents, (length, begin, at))
                    found += fields(data, begin, at, within)
            else:
                return []
        except IndexError:
            return []
        if at > end:
            return []
    return found


def protobuf_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """One field of a protobuf gone, doubled, or with another number, type, length or value."""
    found = fields(data)
    if not found:
        return flipped(data, rng)
    field = pick(rng, found)
    whole, value = data[field.tag : field.end], data[field.begin : field.end]
    head = data[field.tag : field.length]
    kind = int(rng.integers(7))
    if kind == 0:
        new = b""
    elif kind == 1:
        new = whole * int(rng.integers(2, 4))
    elif kind == 2:  # another field's number or wire type
        new = bytes([int(rng.integers(8, 250))]) + data[field.length : field.end]
    elif kind == 3 and field.kind == 2:  # a length that is not the value's
        size = pick(rng, [0, 1, len(value) + 1, len(value) - 1, 2**31, 2**63 - 1])
        return data[: field.length] + varint(max(0, size)) + data[field.begin :]
    elif kind == 4 and field.kind == 0:
        new = head + varint(pick(rng, [0, 1, 2, 7, 255, 2**31 - 1, 2**31, 2**63, 2**64 - 1]))
    elif kind == 5:  # another field's place
        other = pick(rng, found)
        new = data[other.tag : other.end]
    else:
        changed = pick(rng, BYTES)(value, rng) if value else b"x"
        new = head + (varint(len(changed)) + changed if field.kind == 2 else changed)
    return replaced(data, field, new)


def replaced(data: bytes, field: Field, new: bytes) -> bytes:
    """Other bytes in a field's place, and the lengths of all messages around it mended."""
    out = data[: field.tag] + new + data[field.end :]
    grown = len(out) - len(data)
    for length, begin, end in reversed(field.parents):
        size = varint(end - begin + grown)
        out = out[:length] + size + out[begin:]
        grown += len(size) - (begin - length)
    return out


def flatbuffer_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """One aligned number of a flatbuffer (an offset, a count, a shape, a type) another one."""
    at = int(rng.integers(len(data) // 4)) * 4
    (old,) = struct.unpack_from("<i", data, at)
    near = [old + 4, old - 4, old + 1, old ^ 1 << int(rng.integers(20)), -old]
    new = pick(rng, [*near, 0, -1, 2**31 - 1, -(2**31), len(data), at])
    new = (new + 2**31) % 2**32 - 2**31
    return data[:at] + struct.pack("<i", new) + data[at + 4 :]


def varint(value: int) -> bytes:
    """A protobuf's number."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise IndexError
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError
