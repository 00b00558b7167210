"""Drop the version tags from an ELF library's dynamic section.

A library built for Android names the symbol versions of its libc (`LIBC`); the loader of another
system refuses it for them. Without the tags it binds by name alone. See tools.sh.
"""

import struct
import sys
from pathlib import Path

PT_DYNAMIC = 2
# Tags of the versions a library needs and defines, and of the table that gives each symbol its own.
VERSION_TAGS = (0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFF0)
# A tag in the range that loaders pass over.
IGNORED = 0x60000001
SEGMENT, ENTRY = 56, 16


def without_versions(library: bytes) -> bytes:
    """Give the library without version tags.

    Args:
        library: A 64-bit little-endian ELF file.

    Raises:
        ValueError: If it is something else.
    """
    if library[:6] != b"\x7fELF\x02\x01":
        raise ValueError("expected a 64-bit little-endian ELF file")
    out = bytearray(library)
    (table,) = struct.unpack_from("<Q", out, 32)
    (segments,) = struct.unpack_from("<H", out, 56)
    for header in range(table, table + segments * SEGMENT, SEGMENT):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", out, header)
        if kind != PT_DYNAMIC:
            continue
        for entry in range(offset, offset + size, ENTRY):
            (tag,) = struct.unpack_from("<Q", out, entry)
            if tag in VERSION_TAGS:
                struct.pack_into("<Q", out, entry, IGNORED)
    return bytes(out)


def main() -> None:
    path = Path(sys.argv[1])
    path.write_bytes(without_versions(path.read_bytes()))


if __name__ == "__main__":
    main()
