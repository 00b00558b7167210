"""Photos as people have them: every mode, orientation and profile; every failure one sentence."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from support_icc import DISPLAY_P3, SRGB, gray_profile, rgb_profile

from ralikit.errors import PhotoError
from ralikit.photo.decode import decode
from ralikit.photo.headers import MAX_PIXELS
from ralikit.photo.icc import Shaper, parse_profile

P3_CURVE = (
    b"para"
    + bytes(4)
    + struct.pack(
        ">HH5i",
        3,
        0,
        *(round(65536 * v) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    )
)
LINEAR = b"curv" + bytes(8)
DISPLAY_P3_PROFILE = rgb_profile(DISPLAY_P3, P3_CURVE)

Array = NDArray[Any]


def noise(width: int = 23, height: int = 17, channels: int = 3) -> Array:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: Array, colour_type: int, depth: int, *extra: bytes) -> bytes:
    """A PNG of raw rows, for kinds that Pillow does not write."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", *pixels.shape[1::-1], depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def over_white(colour: Array, alpha: Array) -> Array:
    mixed = colour.astype(float) * (alpha[..., None] / 255) + 255 * (1 - alpha[..., None] / 255)
    return np.floor(mixed + 0.5).astype(np.uint8)


LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {"lossless": True}),
]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_files_give_their_pixels(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    pixels = noise()
    path = tmp_path / "photo"  # the content counts, not the ending
    path.write_bytes(saved(Image.fromarray(pixels), kind, **options))
    photo = decode(path)
    assert (photo.pixels == pixels).all()
    assert (photo.width, photo.height, photo.notes) == (23, 17, ())
    assert photo.source == str(path)


def test_lossy_files_and_the_first_picture_of_a_gif() -> None:
    flat = np.full((20, 30, 3), (200, 100, 50), dtype=np.uint8)
    first, second = Image.fromarray(flat), Image.new("RGB", (30, 20), "blue")
    for data in (
        saved(first, "JPEG", quality=95),
        saved(first, "WEBP", quality=95),
        saved(first, "GIF", save_all=True, append_images=[second]),
    ):
        assert np.abs(decode(data).pixels.astype(int) - flat).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [k for k in LOSSLESS if k[0] != "BMP"])
def test_orientation_is_applied_once(kind: str, options: dict[str, Any], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(noise())
    data = saved(image, kind, exif=exif, **options)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    photo = decode(data)
    assert (photo.pixels == expected).all()
    assert (photo.height, photo.width) == expected.shape[:2]
    assert (np.asarray(photo.region(3, 5, 11, 13)) == expected[5:13, 3:11]).all()


@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b""])
def test_damaged_exif_leaves_the_photo_upright(exif: bytes) -> None:
    data = saved(Image.fromarray(noise()), "JPEG")
    marker = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    assert decode(data[:2] + marker + data[2:]).pixels.shape == (17, 23, 3)


def test_alpha_lies_over_white() -> None:
    rgba = noise(channels=4)
    expected = over_white(rgba[..., :3], rgba[..., 3])
    assert (decode(saved(Image.fromarray(rgba), "PNG")).pixels == expected).all()
    assert (decode(rgba).pixels == expected).all()
    la = Image.fromarray(rgba).convert("LA")
    gray, alpha = (np.asarray(band) for band in la.split())
    expected = over_white(np.repeat(gray[..., None], 3, axis=-1), alpha)
    assert (decode(saved(la, "PNG")).pixels == expected).all()


def test_palettes_with_and_without_transparency() -> None:
    image = Image.fromarray(noise()).quantize(16)
    plain = np.asarray(image.convert("RGB"))
    for kind in ("PNG", "GIF", "BMP", "TIFF"):
        assert (decode(saved(image, kind)).pixels == plain).all()
    clear = np.asarray(image) == 3
    for kind in ("PNG", "GIF"):
        got = decode(saved(image, kind, transparency=3)).pixels
        assert (got[clear] == 255).all()
        assert (got[~clear] == plain[~clear]).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_gray_png_with_a_transparent_value(depth: int) -> None:
    per_byte, top = 8 // depth, (1 << depth) - 1
    levels = np.arange(64 * per_byte).reshape(8, -1) % (top + 1)
    packed = np.zeros((8, levels.shape[1] // per_byte), dtype=np.uint8)
    for i in range(per_byte):
        packed |= (levels[:, i::per_byte] << (8 - depth * (i + 1))).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", levels.shape[1], 8, depth, 0, 0, 0, 0))
    data += chunk(b"tRNS", struct.pack(">H", 1)) + chunk(b"IDAT", zlib.compress(rows))
    data += chunk(b"IEND", b"")
    expected = np.where(levels == 1, 255, levels * (255 // top))
    assert (decode(data).pixels == expected[..., None]).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    gray = np.array([[0, 255, 256, 32768, 65279, 65535]], dtype=">u2")
    high = np.array([0, 0, 1, 128, 254, 255])
    assert (decode(png(gray, 0, 16)).pixels[0] == high[:, None]).all()
    colour = np.repeat(gray[..., None], 3, axis=-1)
    assert (decode(png(colour, 2, 16)).pixels[0] == high[:, None]).all()
    native = gray.astype(np.uint16)
    assert (decode(native).pixels[0] == high[:, None]).all()
    assert (decode(saved(Image.fromarray(native), "TIFF")).pixels[0] == high[:, None]).all()


def test_sixteen_bit_png_with_a_transparent_value() -> None:
    gray = np.array([[0, 4660, 65535]], dtype=">u2")
    key = chunk(b"tRNS", struct.pack(">H", 4660))
    assert decode(png(gray, 0, 16, key)).pixels[0, :, 0].tolist() == [0, 255, 255]
    colour = np.repeat(gray[..., None], 3, axis=-1)
    key = chunk(b"tRNS", struct.pack(">HHH", 4660, 4660, 4660))
    assert decode(png(colour, 2, 16, key)).pixels[0, :, 0].tolist() == [0, 255, 255]


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(noise(channels=1)).convert("1")
    expected = np.asarray(image.convert("L"))[..., None]
    assert (decode(saved(image, "PNG")).pixels == expected).all()
    assert set(np.unique(expected)) == {0, 255}


def test_cmyk_with_adobes_inversion_and_without() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, full magenta and yellow: red
    for data in (saved(cmyk, "JPEG", quality=95), saved(cmyk, "TIFF")):
        red = decode(data).pixels.reshape(-1, 3).mean(axis=0)
        assert np.abs(red - (255, 0, 0)).max() < 4


def test_display_p3_becomes_srgb() -> None:
    pixels = noise()
    image = Image.fromarray(pixels)
    shaper = parse_profile(DISPLAY_P3_PROFILE).conversion
    assert isinstance(shaper, Shaper)
    expected = shaper.convert(pixels)
    assert (decode(saved(image, "PNG", icc_profile=DISPLAY_P3_PROFILE)).pixels == expected).all()
    tagged = Image.fromarray(pixels)
    tagged.info["icc_profile"] = DISPLAY_P3_PROFILE
    assert (decode(tagged).pixels == expected).all()
    assert np.abs(expected.astype(int) - pixels).max() > 20


def test_an_srgb_profile_and_gray_under_an_rgb_profile_change_nothing() -> None:
    pixels = noise()
    srgb = rgb_profile(SRGB, P3_CURVE)
    data = saved(Image.fromarray(pixels), "PNG", icc_profile=srgb)
    assert (decode(data).pixels == pixels).all()
    gray = noise(channels=1)
    data = saved(Image.fromarray(gray), "PNG", icc_profile=DISPLAY_P3_PROFILE)
    assert np.abs(decode(data).pixels.astype(int) - gray[..., None]).max() <= 1


def test_a_gray_profile_brightens_linear_gray() -> None:
    gray = np.arange(256, dtype=np.uint8)[None]
    data = saved(Image.fromarray(gray), "PNG", icc_profile=gray_profile(LINEAR))
    got = decode(data).pixels[0, :, 0]
    assert got[0] == 0
    assert got[255] == 255
    assert abs(int(got[55]) - 128) <= 1  # 0.2158 of white in linear light is sRGB's middle gray


def test_a_table_profile_goes_through_the_colour_management_module() -> None:
    # A profile with a table: lcms writes one for Lab -> we ask it for a link-free RGB LUT by hand.
    table = b"mft1" + bytes(4) + bytes([3, 3, 2, 0])
    table += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256)) * 3
    # Eight corners to Lab: red decides lightness alone, a = b = 0.
    corners = b"".join(bytes([255 * r, 128, 128]) for r in (0, 1) for _ in range(4))
    a2b0 = table + ramp + corners + ramp
    profile = bytearray(rgb_profile(SRGB, P3_CURVE, extra={b"A2B0": a2b0}))
    profile[20:24] = b"Lab "
    pixels = np.array([[[0, 255, 255], [255, 0, 0]]], dtype=np.uint8)
    photo = decode(saved(Image.fromarray(pixels), "PNG", icc_profile=bytes(profile)))
    assert photo.notes == ()
    assert isinstance(photo.colour.conversion, ImageCms.ImageCmsTransform)
    assert np.abs(photo.pixels[0].astype(int) - [[0, 0, 0], [255, 255, 255]]).max() <= 3


def test_cmyk_with_a_profile_follows_the_profile() -> None:
    # Inks by this profile: black ink alone decides, cyan, magenta and yellow print nothing.
    ramp = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    table += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + ramp * 4
    table += b"".join(bytes([255 * (1 - ink % 2), 128, 128]) for ink in range(16)) + ramp * 3
    profile = bytearray(rgb_profile(SRGB, P3_CURVE, extra={b"A2B0": table}))
    profile[12:24] = b"prtrCMYKLab "
    image = Image.new("CMYK", (2, 1), (255, 255, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    photo = decode(saved(image, "TIFF", icc_profile=bytes(profile)))
    assert photo.notes == ()
    assert np.abs(photo.pixels[0].astype(int) - [[255] * 3, [0] * 3]).max() <= 3
    plain = decode(saved(image, "TIFF"))
    assert plain.pixels[0].tolist() == [[0, 0, 255], [0, 0, 0]]


@pytest.mark.parametrize("profile", [b"rubbish", DISPLAY_P3_PROFILE[:300], b"\0" * 400])
def test_a_damaged_profile_is_left_out_and_said(profile: bytes) -> None:
    pixels = noise()
    photo = decode(saved(Image.fromarray(pixels), "PNG", icc_profile=profile))
    assert (photo.pixels == pixels).all()
    assert any("profile" in note and "damaged" in note for note in photo.notes)


def test_a_profile_for_other_pixels_is_left_out_and_said() -> None:
    data = saved(Image.fromarray(noise()), "PNG", icc_profile=gray_profile(LINEAR))
    photo = decode(data)
    assert (photo.pixels == noise()).all()
    assert "another kind" in photo.notes[0]


def test_high_dynamic_range_is_refused() -> None:
    cicp = b"cicp" + bytes(4) + bytes([9, 16, 0, 1])
    profile = rgb_profile(DISPLAY_P3, P3_CURVE, extra={b"cicp": cicp})
    with pytest.raises(PhotoError, match=r"^the image: is high dynamic range \(PQ\)"):
        decode(saved(Image.fromarray(noise()), "JPEG", icc_profile=profile))
    data = png(noise(), 2, 8, chunk(b"cICP", bytes([9, 18, 0, 1])))
    with pytest.raises(PhotoError, match=r"high dynamic range \(HLG\)"):
        decode(data)


def test_a_gain_map_is_left_out_and_said() -> None:
    image = Image.fromarray(noise())
    data = saved(image, "JPEG", xmp=b'<x hdrgm:Version="1.0"/>')
    assert "gain map" in decode(data).notes[0]
    second = Image.fromarray(noise())
    second.encoderinfo = {"xmp": b"<HDRGainMap/>"}
    data = saved(image, "MPO", save_all=True, append_images=[second])
    assert "gain map" in decode(data).notes[0]
    plain = saved(image, "MPO", save_all=True, append_images=[Image.fromarray(noise())])
    assert decode(plain).notes == ()


def test_arrays_of_every_layout() -> None:
    gray, colour = noise(channels=1), noise()
    assert (decode(gray).pixels == gray[..., None]).all()
    assert (decode(gray[..., None]).pixels == gray[..., None]).all()
    assert (decode(colour[::-1, ::2]).pixels == colour[::-1, ::2]).all()
    wide = colour.astype(np.uint16) * 257
    assert (decode(wide).pixels == colour).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(5, np.uint8),
    ],
)
def test_other_arrays_are_refused(array: Array) -> None:
    with pytest.raises(PhotoError, match="the array"):
        decode(array)


def test_an_image_is_not_changed_by_reading_it() -> None:
    image = Image.open(io.BytesIO(saved(Image.fromarray(noise(400, 300)), "JPEG")))
    image.getexif()[0x0112] = 6
    photo = decode(image, target=lambda width, height: (4, 3))
    assert photo.reduction == 1
    assert photo.pixels.shape == (400, 300, 3)
    assert image.size == (400, 300)


def test_one_pixel() -> None:
    assert decode(saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")).pixels.tolist() == [
        [[9, 8, 7]]
    ]


def bomb(width: int, height: int) -> bytes:
    """A PNG header that promises more than there is."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64)))


@pytest.mark.parametrize(
    ("width", "height"),
    [(30_000, 30_000), (10_241, 10_241), (100_001, 1), (2**31 - 1, 1), (2**31 - 1, 2**31 - 1)],
)
def test_bombs_are_refused_by_their_header(width: int, height: int) -> None:
    with pytest.raises(PhotoError) as caught:
        decode(bomb(width, height))
    assert "cut off" not in str(caught.value)  # nothing was decoded
    assert "100 megapixels" in str(caught.value)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = saved(Image.fromarray(noise(64, 64)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert decode(data).width == 64
    with pytest.raises(PhotoError, match="scans"):
        decode(data[:last] + data[last:-2] * 200 + data[-2:])


def test_a_hundred_megapixels_are_not_a_bomb() -> None:
    assert MAX_PIXELS > 11_648 * 8_736
    with pytest.raises(PhotoError, match="cut off"):  # refused for its body, not for its size
        decode(bomb(11_648, 8_736))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_truncated_files_are_refused(kind: str) -> None:
    data = saved(Image.fromarray(noise(64, 64)), kind)
    for share in (0.5, 0.9):
        with pytest.raises(PhotoError) as caught:
            decode(data[: int(len(data) * share)])
        assert "\n" not in str(caught.value)


def test_float_and_wide_integer_pixels_are_refused_clearly() -> None:
    for array, word in [
        (np.ones((4, 4), np.float32), "floating-point"),
        (np.ones((4, 4), np.int32), "32-bit integer"),
    ]:
        with pytest.raises(PhotoError, match=word):
            decode(saved(Image.fromarray(array), "TIFF"))


def test_a_raw_file_is_not_scored_by_its_preview() -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"  # DNGVersion
    with pytest.raises(PhotoError, match="camera raw"):
        decode(saved(Image.fromarray(noise()), "TIFF", tiffinfo=tags))


def test_what_is_no_photo_is_one_sentence_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    reasons = {
        "empty.jpg": "empty",
        "text.jpg": "expected JPEG",
        "folder.jpg": "not a regular file",
        "pipe.jpg": "not a regular file",
        "missing.jpg": "no such file",
        "nul\0byte.jpg": "no such file",
    }
    for name, reason in reasons.items():
        with pytest.raises(PhotoError, match=reason) as caught:
            decode(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_names_that_would_break_a_terminal_are_written_out(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n\x1b[31m\xff.png"))
    path.write_bytes(saved(Image.fromarray(noise()), "PNG"))
    assert decode(path).source.endswith("/a\\n\\x1b[31m\\xff.png")


def test_pillows_warnings_stay_inside_and_filters_are_put_back() -> None:
    data = saved(Image.fromarray(noise()), "TIFF")
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode(data)
    assert caught == []
    assert list(warnings.filters) == before


def test_heic() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    flat = np.full((64, 96, 3), (180, 90, 40), dtype=np.uint8)
    stream = io.BytesIO()
    heif = pillow_heif.from_pillow(Image.fromarray(flat))
    heif.save(stream, quality=90)
    photo = decode(stream.getvalue())
    assert (photo.width, photo.height) == (96, 64)
    assert np.abs(photo.pixels.astype(int) - flat).max() <= 6
    with pytest.raises(PhotoError):
        decode(stream.getvalue()[: len(stream.getvalue()) // 2])


def test_heic_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r"pip install 'ralikit\[heic\]'"):
        decode(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(50))


def test_the_former_name_of_the_decoder_still_imports() -> None:
    from ralikit.decode import decode as former

    assert former is decode
