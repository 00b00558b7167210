"""When a photo was taken: as EXIF writes it, and nothing where it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from ralikit.photo.decode import decode

NOON = datetime(2024, 7, 3, 12, 0, 5, tzinfo=UTC).timestamp()


def photo(path: Path, tags: dict[int, object]) -> Path:
    exif = Image.Exif()
    exif[0x0131] = "made up"  # Pillow writes no PNG EXIF without a tag of its own
    exif.get_ifd(0x8769).update(tags)
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ({0x9003: "2024:07:03 12:00:05"}, NOON),
        ({0x9003: "2024:07:03 12:00:05", 0x9291: "25"}, NOON + 0.25),
        ({0x9003: "2024:07:03 12:00:05", 0x9291: "007"}, NOON + 0.007),
        ({0x9003: "2024:07:03 12:00:05", 0x9291: "x"}, NOON),
        ({0x9003: "2024:07:03 12:00:05", 0x9011: "+09:00"}, NOON),  # no zone is looked at
        ({0x9003: "0000:00:00 00:00:00"}, None),
        ({0x9003: "    :  :     :  :  "}, None),
        ({0x9003: "yesterday"}, None),
        ({0x9004: "2024:07:03 12:00:05"}, None),  # when it was digitised is another thing
        ({}, None),
    ],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_time_taken(
    tags: dict[int, object], taken: float | None, suffix: str, tmp_path: Path
) -> None:
    found = decode(photo(tmp_path / f"a.{suffix}", tags)).taken
    assert found == (None if taken is None else pytest.approx(taken, abs=1e-6))


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    data = photo(tmp_path / "a.jpg", {0x9003: "2024:07:03 12:00:05"}).read_bytes()
    start = data.index(b"Exif\0\0") + 6
    broken = data[: start + 8] + b"\xff" * 40 + data[start + 48 :]
    (tmp_path / "b.jpg").write_bytes(broken)
    assert decode(tmp_path / "b.jpg").taken is None
