"""What a file's structure says: blocks, marks, colour by numbers, and signs of damage."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support_icc import DISPLAY_P3, SRGB, rgb_profile
from support_photo import textured

from ralikit.errors import PhotoError
from ralikit.photo.cicp import Coded
from ralikit.photo.curves import SRGB_CURVE
from ralikit.photo.damage import FLAT, HOLE
from ralikit.photo.decode import decode
from ralikit.photo.jpeg import NO_END

CURVE = b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, *SRGB_CURVE)
PIXELS = textured()


def saved(kind: str, pixels: NDArray[np.uint8] = PIXELS, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def block(kind: bytes, body: bytes, *, flip: int = 0) -> bytes:
    crc = zlib.crc32(kind + body) ^ flip
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def with_block(*blocks: bytes) -> bytes:
    data = saved("PNG")
    return data[:33] + b"".join(blocks) + data[33:]


LARGE = zlib.compress(b"<an edit history>" * 90_000)


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        (block(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE), "iTXt block unpacks to more"),
        (block(b"zTXt", b"Comment\0\0" + LARGE), "zTXt block unpacks to more"),
        (block(b"tEXt", b"Software\0x", flip=1), "tEXt block has a wrong checksum"),
        (block(b"pHYs", bytes(9), flip=9), "pHYs block has a wrong checksum"),
        (block(b"iCCP", b"p\0\0" + zlib.compress(bytes(17 << 20))), "iCCP block unpacks"),
    ],
)
def test_blocks_beside_the_pixels_do_not_cost_a_png(extra: bytes, note: str) -> None:
    photo = decode(with_block(extra))
    assert (photo.pixels == PIXELS).all()
    assert len(photo.notes) == 1
    assert note in photo.notes[0]


def test_text_of_all_blocks_together_is_bounded() -> None:
    one = block(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000)))
    assert (decode(with_block(*[one] * 80)).pixels == PIXELS).all()


def test_a_large_profile_is_applied() -> None:
    profile = rgb_profile(DISPLAY_P3, CURVE)
    large = block(b"iCCP", b"big\0\0" + zlib.compress(profile + bytes(1_200_000)))
    photo = decode(with_block(large))
    assert (photo.pixels == decode(saved("PNG", icc_profile=profile)).pixels).all()
    assert "unusually large" in photo.notes[0]


def test_pixels_with_a_wrong_checksum_are_refused() -> None:
    data = bytearray(saved("PNG"))
    at = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[at - 4 : at])
    data[at + 4 + size // 2 : at + 4 + size] = bytes(size - size // 2)
    with pytest.raises(PhotoError, match="checksum of its IDAT block is wrong"):
        decode(bytes(data))
    header = saved("PNG")
    with pytest.raises(PhotoError, match="IHDR"):
        decode(header[:29] + bytes(4) + header[33:])


@pytest.mark.parametrize(
    ("primaries", "transfer", "colorants"), [(12, 13, DISPLAY_P3), (12, 1, DISPLAY_P3)]
)
def test_a_pngs_numbers_are_the_profile_they_name(
    primaries: int, transfer: int, colorants: Any
) -> None:
    numbers = block(b"cICP", bytes([primaries, transfer, 0, 1]))
    got = decode(with_block(numbers))
    wanted = decode(saved("PNG", icc_profile=rgb_profile(colorants, CURVE)))
    assert (got.pixels == wanted.pixels).all()
    assert (got.pixels != PIXELS).any()
    assert got.notes == ()


def test_numbers_that_name_srgb_or_nothing_change_nothing() -> None:
    for primaries, transfer in ((1, 13), (1, 1), (2, 2)):
        photo = decode(with_block(block(b"cICP", bytes([primaries, transfer, 0, 1]))))
        assert (photo.pixels == PIXELS).all()
        assert photo.notes == ()
    photo = decode(with_block(block(b"cICP", bytes([10, 13, 0, 1]))))
    assert (photo.pixels == PIXELS).all()
    assert "not converted" in photo.notes[0]


@pytest.mark.parametrize(
    ("primaries", "transfer", "wanted"),
    [
        (12, 13, [216, 69, 50, 0, 255, 0, 0, 133, 255]),
        (9, 13, [244, 37, 50, 0, 255, 0, 0, 136, 255]),
        (9, 8, [255, 138, 128, 0, 255, 0, 0, 197, 255]),
    ],
)
def test_numbers_that_javascript_repeats(primaries: int, transfer: int, wanted: list[int]) -> None:
    # The same numbers stand in runtimes/js/test/pixels.test.mjs.
    shaper, _ = Coded(primaries, transfer).conversion()
    assert shaper is not None
    pixels = np.array([[200, 80, 60], [0, 255, 0], [17, 130, 250]], dtype=np.uint8)
    assert shaper.convert(pixels).reshape(-1).tolist() == wanted


def test_wide_primaries_keep_white_and_gray() -> None:
    for primaries in (9, 12):
        shaper, notes = Coded(primaries, 13).conversion()
        assert shaper is not None
        gray = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
        assert np.abs(shaper.convert(gray).astype(int) - gray).max() <= 1
        assert notes == ()


@pytest.mark.parametrize(("primaries", "changed"), [(12, True), (1, False)])
def test_heics_numbers(primaries: int, changed: bool) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    flat = np.full((64, 64, 3), (200, 80, 60), dtype=np.uint8)
    stream = io.BytesIO()
    heif = pillow_heif.from_pillow(Image.fromarray(flat))
    heif.save(
        stream,
        quality=95,
        color_primaries=primaries,
        transfer_characteristics=13,
        matrix_coefficients=6,
        full_range_flag=1,
    )
    got = decode(stream.getvalue()).pixels.reshape(-1, 3).mean(axis=0)
    shaper, _ = Coded(primaries, 13).conversion()
    wanted = flat[0, 0] if shaper is None else shaper.convert(flat[:1, :1])[0, 0]
    assert (shaper is not None) == changed
    assert np.abs(got - wanted).max() < 4


def test_ten_bits_of_heic_are_its_eight(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None], 64, axis=0)
    pixels = np.repeat(ramp[..., None], 3, axis=-1)
    stream = io.BytesIO()
    pillow_heif.encode("RGB;16", (256, 64), pixels.tobytes(), stream, quality=-1, chroma=444)
    got = decode(stream.getvalue()).pixels[32, :, 1].astype(int)
    assert np.abs(got - (ramp[0] >> 8)).max() <= 3


def test_avif_is_refused_by_name() -> None:
    with pytest.raises(PhotoError, match="is AVIF, which is not read"):
        decode(b"\0\0\0\x1cftypavif\0\0\0\0" + bytes(200))


SCANS = b"\xff\xda\x01" * 120


@pytest.mark.parametrize("place", ["behind the end", "in a segment"])
def test_marks_that_are_no_scans_are_not_counted(place: str) -> None:
    data = saved("JPEG", progressive=True)
    segment = b"\xff\xed" + struct.pack(">H", 2 + len(SCANS)) + SCANS
    other = data + SCANS if place == "behind the end" else data[:2] + segment + data[2:]
    photo = decode(other)
    assert (photo.pixels == decode(data).pixels).all()
    assert photo.notes == ()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"progressive": True},
    {"optimize": True, "subsampling": 0},
    {"restart_marker_blocks": 4},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [(192, 256), (191, 250)])
def test_a_jpeg_that_lacks_only_its_end_mark(options: dict[str, Any], size: Any) -> None:
    data = saved("JPEG", PIXELS[: size[0], : size[1]], **options)
    whole = decode(data).pixels
    for missing in (1, 2):
        photo = decode(data[:-missing])
        assert (photo.pixels == whole).all()
        assert photo.notes == (NO_END,)
    for missing in (6, 40, len(data) // 3):
        with pytest.raises(PhotoError, match="cut off"):
            decode(data[:-missing])


@pytest.mark.parametrize("options", OPTIONS)
def test_a_hole_in_a_jpeg_is_said(options: dict[str, Any]) -> None:
    noisy = np.random.default_rng(0).integers(100, 150, (256, 256, 3), dtype=np.uint8)
    data = saved("JPEG", noisy, quality=75, **options)
    half = len(data) // 2
    try:
        notes: tuple[str, ...] = decode(data[:half] + bytes(len(data) - half - 2) + data[-2:]).notes
    except PhotoError:
        return  # refusing it is as good
    assert HOLE in notes


@pytest.mark.parametrize("lossless", [False, True])
def test_a_hole_in_a_webp_is_said(lossless: bool) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    data = saved("WEBP", noisy, lossless=lossless)
    half = len(data) // 2
    try:
        notes: tuple[str, ...] = decode(data[:half] + bytes(len(data) - half)).notes
    except PhotoError:
        return
    assert HOLE in notes


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.5, 0.613, 0.9])
@pytest.mark.parametrize("filler", [0, 255, 128])
def test_plain_pixels_that_break_off_are_said(kind: str, kept: float, filler: int) -> None:
    data = saved(kind)
    at = int(len(data) * kept)
    end = len(data) if kind == "BMP" else len(data) - 2
    if kind == "TIFF" and data[:4] == b"II*\0" and int.from_bytes(data[4:8], "little") > at:
        pytest.skip("the directory lies behind the pixels")
    photo = decode(data[:at] + bytes([filler]) * (end - at) + data[end:])
    assert FLAT in photo.notes


def test_what_an_interrupted_decoder_saved_is_said() -> None:
    pixels = PIXELS.copy()
    pixels[112:] = 128
    pixels[96:112, 144:] = 128
    for kind in ("PNG", "JPEG", "WEBP"):
        assert FLAT in decode(saved(kind, pixels)).notes


def test_frames_and_plain_backgrounds_are_no_damage() -> None:
    framed = PIXELS.copy()
    framed[:30], framed[-30:] = 0, 0
    low = PIXELS.copy()
    low[-30:] = 255  # a strip below, less than a fifth
    y, x = np.mgrid[:192, :256]
    object_on_white = PIXELS.copy()
    object_on_white[(y - 70) ** 2 + (x - 128) ** 2 > 60**2] = 255
    plain = np.full_like(PIXELS, 200)
    for pixels in (PIXELS, framed, low, object_on_white, plain):
        for kind, options in (("PNG", {}), ("JPEG", {}), ("JPEG", {"optimize": True}), ("BMP", {})):
            assert decode(saved(kind, pixels, **options)).notes == ()


def test_an_srgb_profile_by_any_name_is_no_hdr() -> None:
    text = "PQ HLG ST 2084".encode("utf-16-be")
    desc = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    photo = decode(saved("JPEG", icc_profile=rgb_profile(SRGB, CURVE, extra={b"desc": desc})))
    assert photo.notes == ()


ALLOWED = {
    "src/ralikit/photo/containers.py": "the decoder itself",
    "src/ralikit/photo/jpeg.py": "the decoder itself",
    "src/ralikit/photo/tiff.py": "the decoder itself",
    "src/ralikit/probes/__init__.py": "pictures of the package, whose bytes are hashed",
    "src/ralikit/export/gate/calibration_photos.py": "pictures of other packages, in a fixed set",
}


def test_nothing_opens_pictures_but_the_one_decoder() -> None:
    root = Path(__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for folder in ("src", "examples", "train", "web_demo")
        for path in (root / folder).rglob("*.py")
        if re.search(r"\bImage\.open\(|\bimread\(|HeifImageFile\(", path.read_text("utf-8"))
    }
    assert found == set(ALLOWED)
