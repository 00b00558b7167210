"""Align an APK, libraries to 16 KB pages, what else is stored to 4 bytes: align.py IN.apk OUT.apk

The alignment is written into each extra field 0xD935, which apksigner keeps to; entries that
are aligned without it (zipalign's zeros) it moves to 4 KB pages as it signs.
"""

import struct
import sys
import zipfile
from pathlib import Path

FIELD = 0xD935
PAGE, WORD = 16 * 1024, 4
# Local header before the name; field's head and its multiple before the padding.
HEADER, HEAD = 30, 6


def extra(name: str, offset: int) -> bytes:
    """The extra field that puts the data of an entry, whose header begins at `offset`, in place."""
    multiple = PAGE if name.endswith(".so") else WORD
    data = offset + HEADER + len(name.encode()) + HEAD
    padding = -data % multiple
    return struct.pack("<HHH", FIELD, 2 + padding, multiple) + bytes(padding)


def align(source: Path, out: Path) -> None:
    with zipfile.ZipFile(source) as old, out.open("wb") as file, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            entry = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = info.compress_type
            if info.compress_type == zipfile.ZIP_STORED:
                entry.extra = extra(info.filename, file.tell())
            new.writestr(entry, old.read(info))


if __name__ == "__main__":
    align(Path(sys.argv[1]), Path(sys.argv[2]))
