"""Five hundred damaged files: each is read or refused in a sentence, quickly and quietly."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support_icc import DISPLAY_P3, rgb_profile

from ralikit.errors import PhotoError
from ralikit.photo.decode import decode
from ralikit.photo.views import Preprocess, make_views

COUNT = 500
VIEWS = Preprocess(size=16, shortest_edge=24, anchors=((0.0, 0.0), (1.0, 1.0)))


def seeds() -> dict[str, bytes]:
    """Small valid files of every format, with the parts people's files have."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    rgba = Image.fromarray(rng.integers(0, 256, (24, 32, 4), dtype=np.uint8))
    wide = Image.fromarray(rng.integers(0, 65536, (24, 32), dtype=np.uint16))
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563)
    exif = Image.Exif()
    exif[0x0112] = 6
    common: dict[str, Any] = {"exif": exif, "icc_profile": rgb_profile(DISPLAY_P3, curve)}
    made: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpeg", rgb, "JPEG", common),
        ("progressive", rgb, "JPEG", {"progressive": True, **common}),
        ("gray jpeg", rgb.convert("L"), "JPEG", {}),
        ("cmyk jpeg", rgb.convert("CMYK"), "JPEG", {}),
        ("mpo", rgb, "MPO", {"save_all": True, "append_images": [rgb.copy()]}),
        ("png", rgba, "PNG", common),
        ("palette png", rgb.quantize(8), "PNG", {"transparency": 2}),
        ("wide png", wide, "PNG", {}),
        ("bit png", rgb.convert("1"), "PNG", {}),
        ("webp", rgba, "WEBP", {"lossless": True, **common}),
        ("lossy webp", rgb, "WEBP", {}),
        ("bmp", rgb, "BMP", {}),
        ("palette bmp", rgb.quantize(8), "BMP", {}),
        ("tiff", rgb, "TIFF", common),
        ("lzw tiff", rgb, "TIFF", {"compression": "tiff_lzw"}),
        ("deflate tiff", wide, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("jpeg tiff", rgb, "TIFF", {"compression": "jpeg"}),
        ("gif", rgb.quantize(8), "GIF", {"save_all": True, "append_images": [rgb.quantize(4)]}),
    ]
    files = {}
    for name, image, kind, options in made:
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        files[name] = stream.getvalue()
    try:
        import pillow_heif
    except ImportError:
        return files
    stream = io.BytesIO()
    pillow_heif.from_pillow(rgb.resize((64, 64))).save(stream)
    return {**files, "heic": stream.getvalue()}


def mutations(files: dict[str, bytes], count: int) -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(20_26)
    names = sorted(files)
    for index in range(count):
        name = names[index % len(names)]
        data = bytearray(files[name])
        kind = index // len(names) % 5
        if kind in (0, 1):  # flipped bits, in the headers more often than not
            reach = len(data) if kind else min(len(data), 200)
            for _ in range(int(rng.integers(1, 12))):
                data[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
        elif kind == 2:  # cut off
            del data[int(rng.integers(1, len(data))) :]
        elif kind == 3:  # another file's beginning
            other = files[names[int(rng.integers(len(names)))]]
            size = int(rng.integers(4, 120))
            data[:size] = other[:size]
        else:  # a length, a count or a size at its largest
            at = int(rng.integers(len(data) - 4))
            data[at : at + 4] = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"][
                int(rng.integers(3))
            ]
        yield f"{index} {name}", bytes(data)


def test_damaged_files_are_read_or_refused(capfd: pytest.CaptureFixture[str]) -> None:
    files = seeds()
    for data in files.values():
        assert make_views(decode(data), VIEWS).shape == (2, 16, 16, 3)
    read, messages, slowest = 0, [], (0.0, "")
    for name, data in mutations(files, COUNT):
        start = time.process_time()
        try:
            make_views(decode(data, target=VIEWS.resized), VIEWS)
            read += 1
        except PhotoError as error:
            messages.append(str(error))
        slowest = max(slowest, (time.process_time() - start, name))
    assert read + len(messages) == COUNT
    assert len(messages) > COUNT // 4  # the damage is real
    assert read > COUNT // 10  # and decoding did take place
    assert slowest[0] < 5, slowest
    for message in messages:
        assert message.startswith("the image: ")
        assert len(message.splitlines()) == 1
        assert len(message) < 300
    assert "Traceback" not in capfd.readouterr().err
