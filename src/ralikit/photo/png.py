"""PNG's blocks: what Pillow does not check (checksums of pixels), and what it stumbles over.

Pillow refuses a whole photo for text or a profile that unpacks to more than 1 MB, and for a wrong
checksum in a block that has nothing to do with pixels. Such blocks are left out and said; a large
profile is applied. Pixels whose checksum is wrong are refused, as every other PNG reader does.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from ralikit.errors import PhotoError
from ralikit.photo.cicp import Coded
from ralikit.photo.headers import check_size
from ralikit.printable import printable

START = b"\x89PNG\r\n\x1a\n"

_UNPACKED = 1 << 20  # of one block of text or profile; Pillow's own limit
_TEXT = 32 << 20  # of all text together; half of Pillow's limit
_PROFILE = 16 << 20  # of a profile that is applied
_UNSAID = 2
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Png:
    """What a PNG's blocks say.

    Attributes:
        stream: The file, without the blocks that were left out.
        depth: Bits of a sample.
        coded: Colour by numbers (``cICP``); None: not declared.
        profile: A profile too large for Pillow, unpacked; None: there is no such.
        notes: What was left out, in words.
    """

    stream: IO[bytes]
    depth: int | None = None
    coded: Coded | None = None
    profile: bytes | None = None
    notes: tuple[str, ...] = ()


def read_png(stream: IO[bytes], source: str) -> Png:
    """Go over a PNG's blocks.

    Raises:
        PhotoError: If it is too large, damaged where pixels are, or high dynamic range.
    """
    walk = _Walk(stream, source)
    walk.run()
    kept: IO[bytes] = stream
    if walk.dropped:
        stream.seek(0)
        data, start, pieces = stream.read(), 0, []
        for begin, end in walk.dropped:
            pieces.append(data[start:begin])
            start = end
        kept = BytesIO(b"".join([*pieces, data[start:]]))
    kept.seek(0)
    return Png(
        stream=kept,
        depth=walk.depth,
        coded=walk.coded,
        profile=walk.profile,
        notes=tuple(dict.fromkeys(walk.notes)),
    )


class _Walk:
    """One pass over the blocks, from the signature to ``IEND`` or the file's end."""

    def __init__(self, stream: IO[bytes], source: str) -> None:
        self.stream, self.source = stream, source
        self.depth: int | None = None
        self.coded: Coded | None = None
        self.profile: bytes | None = None
        self.notes: list[str] = []
        self.dropped: list[tuple[int, int]] = []
        self._text = 0

    def run(self) -> None:
        self.stream.seek(len(START))
        pixels = False
        while len(head := self.stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            begin = self.stream.tell() - 8
            pixels = pixels or kind == b"IDAT"
            if kind in (b"IDAT", b"fdAT"):
                self._pixels(kind, length)
                continue
            body, crc = self.stream.read(length), self.stream.read(4)
            if len(crc) < 4:
                return  # cut off: Pillow says so, if pixels are missing
            whole = struct.unpack(">I", crc)[0] == zlib.crc32(kind + body)
            ancillary = bool(kind[0] & 0x20)
            if not whole and not ancillary:
                raise PhotoError(self._damaged(kind))
            reason = "has a wrong checksum" if not whole else self._read(kind, body, pixels)
            if reason:
                self.dropped.append((begin, self.stream.tell()))
                self.notes.append(f"its {printable(kind.decode('latin-1'))} block {reason}"
                                  " and was left out")  # fmt: skip
            if kind == b"IEND":
                return

    def _pixels(self, kind: bytes, length: int) -> None:
        check, left = zlib.crc32(kind), length
        while left and (data := self.stream.read(min(left, _BLOCK))):
            check, left = zlib.crc32(data, check), left - len(data)
        crc = self.stream.read(4)
        # A block that the file's end cuts off is Pillow's to refuse, if it needs it.
        if not left and len(crc) == 4 and struct.unpack(">I", crc)[0] != check and kind == b"IDAT":
            raise PhotoError(self._damaged(kind))

    def _damaged(self, kind: bytes) -> str:
        return (
            f"{self.source}: is damaged (the checksum of its {kind.decode('latin-1')} block is "
            "wrong); get a whole copy"
        )

    def _read(self, kind: bytes, body: bytes, pixels: bool) -> str:
        """Take note of a block; why it is left out, or nothing."""
        if kind == b"IHDR" and len(body) == 13:
            check_size(struct.unpack(">II", body[:8]), self.source)
            self.depth = body[8]
        elif kind == b"cICP" and len(body) >= 4 and not pixels and self.coded is None:
            self._numbers(Coded(body[0], body[1], full=body[3] != 0))
        elif kind == b"iCCP":
            return self._icc(body)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            size = _unpacked(kind, body)
            self._text += size
            if size > _UNPACKED or self._text > _TEXT:
                self._text -= size
                return "unpacks to more than 1 MB"
        return ""

    def _numbers(self, coded: Coded) -> None:
        try:
            coded.refuse_hdr()
        except PhotoError as error:
            raise PhotoError(f"{self.source}: {error}") from error
        if coded.primaries != _UNSAID:
            self.coded = coded

    def _icc(self, body: bytes) -> str:
        profile = _inflated(body[body.find(b"\0") + 2 :], _PROFILE)
        if profile is None or len(profile) <= _UNPACKED:
            return ""  # a damaged one is Pillow's to leave out
        if len(profile) > _PROFILE:
            return "unpacks to more than 16 MB"
        self.profile = profile
        self.notes.append(f"its colour profile is unusually large ({len(profile) // 1000} kB)")
        self.dropped.append((self.stream.tell() - 12 - len(body), self.stream.tell()))
        return ""


def _unpacked(kind: bytes, body: bytes) -> int:
    """Bytes of a block of text, unpacked; stops behind the limit."""
    packed = body
    if kind == b"zTXt":
        packed = body[body.find(b"\0") + 2 :]
    elif kind == b"iTXt":
        rest = body[body.find(b"\0") + 1 :]
        if rest[:1] != b"\1":
            return len(body) if len(body) <= _TEXT else _TEXT + 1
        # Language and translated keyword stand before the text.
        packed = rest[2:].split(b"\0", 2)[-1]
    if kind == b"tEXt":
        return len(body)
    text = _inflated(packed, _UNPACKED)
    return 0 if text is None else len(text)


def _inflated(data: bytes, limit: int) -> bytes | None:
    """At most `limit` + 1 bytes of what was packed; None where it is damaged."""
    try:
        return zlib.decompressobj().decompress(data, limit + 1)
    except zlib.error:
        return None
