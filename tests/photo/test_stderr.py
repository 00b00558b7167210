"""What Pillow logs of a damaged file does not reach stderr beside ralikit's own sentence."""

from __future__ import annotations

import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ralikit.errors import PhotoError
from ralikit.photo.decode import decode

_SAMPLES_PER_PIXEL = 277


def tiff_of_many_samples(path: Path) -> Path:
    """A TIFF that promises nine samples a pixel where Pillow knows six, and holds three."""
    Image.new("RGB", (8, 8)).save(path)
    data = path.read_bytes()
    tag = struct.pack("<HHI", _SAMPLES_PER_PIXEL, 3, 1)
    at = data.index(tag) + len(tag)
    path.write_bytes(data[:at] + struct.pack("<H", 9) + data[at + 2 :])
    return path


@pytest.mark.parametrize("ours", [False, True])
def test_a_log_line_finds_a_handler(tmp_path: Path, ours: bool) -> None:
    path = tiff_of_many_samples(tmp_path / "many.tif")
    program = (
        f"import logging; {ours!r} and logging.basicConfig(); "
        "from ralikit.errors import PhotoError\n"
        "from ralikit.photo.decode import open_photo\n"
        f"try:\n    open_photo({str(path)!r})\n"
        "except PhotoError as error:\n    print(error)\n"
        f"else:\n    print({path.name!r}, 'was read')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "many.tif" in done.stdout
    assert ("More samples per pixel" in done.stderr) == ours


@pytest.mark.skipif(
    sys.platform != "linux", reason="where libtiff can be reached was seen on Linux"
)
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_libtiff_writes_nothing_itself(
    tmp_path: Path, compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "damaged.tif"
    Image.fromarray(pixels).save(path, compression=compression)
    data = bytearray(path.read_bytes())
    data[200:1400:7] = bytes(byte ^ 0x5A for byte in data[200:1400:7])
    path.write_bytes(data)
    with suppress(PhotoError):  # some damage decodes
        decode(path)
    assert capfd.readouterr().err == ""
