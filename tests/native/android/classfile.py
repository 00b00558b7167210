"""Pieces of a class file (JVM specification, chapter 4)."""

import struct
from collections.abc import Callable

OBJECT = "java/lang/Object"


class Pool:
    """The constant pool: each constant once."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, object], int] = {}
        self.bytes = bytearray()
        self.count = 1

    def add(self, key: tuple[str, object], data: bytes, slots: int = 1) -> int:
        if key not in self.places:
            self.places[key] = self.count
            self.bytes += data
            self.count += slots
        return self.places[key]

    def utf8(self, text: str) -> int:
        # A class file writes NUL and pairs of surrogates in its own way; the list has neither.
        data = text.replace("\0", "\ufffd").encode("utf-8", "surrogatepass")
        return self.add(("utf8", text), struct.pack(">BH", 1, len(data)) + data)

    def named(self, tag: int, text: str) -> int:
        place = self.utf8(text)
        return self.add((f"named {tag}", text), struct.pack(">BH", tag, place))

    def class_(self, name: str) -> int:
        return self.named(7, name)

    def number(self, tag: int, pattern: str, value: float) -> int:
        # Longs and doubles take two places. By bytes: NaN equals nothing, -0.0 equals 0.0.
        data = struct.pack(">B" + pattern, tag, value)
        return self.add(("number", data), data, 2 if pattern in "qd" else 1)

    def constant(self, descriptor: str, literal: str) -> int:
        """The constant of a field, as the list writes it."""
        if literal[0] == '"':
            return self.named(8, unescaped(literal))
        if literal[0] == "'":
            return self.number(3, "i", ord(unescaped(literal)))
        if literal in ("true", "false"):
            return self.number(3, "i", int(literal == "true"))
        if descriptor in "FD":
            return self.number(*((4, "f") if descriptor == "F" else (6, "d")), real(literal))
        bits, tag, pattern = (64, 5, "q") if descriptor == "J" else (32, 3, "i")
        half = 1 << bits - 1
        return self.number(tag, pattern, (int(literal.rstrip("L"), 0) + half) % (2 * half) - half)


def unescaped(literal: str) -> str:
    return bytes(literal[1:-1], "utf-8").decode("unicode_escape")


def real(literal: str) -> float:
    """A float or double; infinities and NaN are written as quotients: `(1.0f/0.0f)`."""
    text = literal.replace("f", "").strip("()")
    if "/" not in text:
        return float(text)
    over = float(text.split("/")[0])
    return float("nan") if over == 0 else float("inf") if over > 0 else float("-inf")


def attribute(pool: Pool, name: str, data: bytes) -> bytes:
    return struct.pack(">HI", pool.utf8(name), len(data)) + data


def member(pool: Pool, flags: int, name: str, descriptor: str, attributes: list[bytes]) -> bytes:
    """A field or a method."""
    head = struct.pack(">HHHH", flags, pool.utf8(name), pool.utf8(descriptor), len(attributes))
    return head + b"".join(attributes)


def code(pool: Pool) -> bytes:
    """The body of a stub: `throw null`."""
    body = struct.pack(">HHI", 1, 255, 2) + b"\x01\xbf" + bytes(4)
    return attribute(pool, "Code", body)


def table(items: list[bytes]) -> bytes:
    return struct.pack(">H", len(items)) + b"".join(items)


def places(of: Callable[[str], int], names: list[str]) -> bytes:
    return table([struct.pack(">H", of(name)) for name in names])


def class_file(
    pool: Pool,
    *,
    flags: int,
    name: str,
    extends: str,
    implements: list[str],
    members: tuple[list[bytes], list[bytes]],
    attributes: list[bytes],
) -> bytes:
    """A whole class file, Java 8.

    Args:
        members: Fields and methods.
    """
    body = struct.pack(">HHH", flags, pool.class_(name), pool.class_(extends))
    body += (
        places(pool.class_, implements) + table(members[0]) + table(members[1]) + table(attributes)
    )
    return struct.pack(">IHHH", 0xCAFEBABE, 0, 52, pool.count) + bytes(pool.bytes) + body
