"""Colour profiles: our arithmetic against lcms2, sRGB left alone, damage recognised."""

from __future__ import annotations

import hashlib
import io
import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from support_icc import ADOBE_RGB, DISPLAY_P3, SRGB, gray_profile, rgb_profile

from ralikit.photo.curves import ProfileError
from ralikit.photo.icc import GrayCurve, Pixels, Shaper, encode_table, parse_profile

GAMMAS = [b"curv" + bytes(4) + struct.pack(">IH", 1, round(256 * g)) for g in (1.0, 1.8, 2.2)]
TABLE = (
    b"curv"
    + bytes(4)
    + struct.pack(">I33H", 33, *(round(65535 * (i / 32) ** 2) for i in range(33)))
)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def para(kind: int, *values: float) -> bytes:
    numbers = [round(65536 * v) for v in values]
    return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", kind, 0, *numbers)


def shaper_of(data: bytes) -> Shaper:
    conversion = parse_profile(data).conversion
    assert isinstance(conversion, Shaper)
    return conversion


def through_lcms(pixels: Pixels, profile: bytes) -> Pixels:
    image = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert image is not None
    return np.asarray(image)


CURVES = {
    "P3": para(3, *SRGB_CURVE),
    "gamma 1": GAMMAS[0],
    "gamma 1.8": GAMMAS[1],
    "gamma 2.2": GAMMAS[2],
    "table": TABLE,
    "identity": b"curv" + bytes(8),
    "type 0": para(0, 2.2),
    "type 1": para(1, 2.4, 1 / 1.055, 0.055 / 1.055),
    "type 2": para(2, 2.4, 0.9, 0.05, 0.02),
    "type 4": para(4, *SRGB_CURVE, 0.0, 0.0),
}


@pytest.mark.parametrize("colorants", ["P3", "Adobe"])
@pytest.mark.parametrize("curve", CURVES)
def test_matrix_profiles_agree_with_lcms_within_one_level(curve: str, colorants: str) -> None:
    profile = rgb_profile(DISPLAY_P3 if colorants == "P3" else ADOBE_RGB, CURVES[curve])
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    ours = shaper_of(profile).convert(pixels).astype(int)
    assert np.abs(ours - through_lcms(pixels, profile)).max() <= 1


def test_p3_red_leaves_srgb_and_gray_stays_gray() -> None:
    shaper = shaper_of(rgb_profile(DISPLAY_P3, CURVES["P3"]))
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    assert np.abs(shaper.convert(ramp).astype(int) - ramp).max() <= 1
    red = shaper.convert(np.array([[255, 0, 0], [200, 60, 60]], dtype=np.uint8))
    assert red[0].tolist() == [255, 0, 0]
    assert red[1][0] > 200  # the same red needs more of sRGB's weaker primary
    assert red[1][1] < 60


def test_chunks_change_nothing() -> None:
    shaper = shaper_of(rgb_profile(ADOBE_RGB, CURVES["gamma 2.2"]))
    pixels = np.random.default_rng(2).integers(0, 256, (70_001, 3), dtype=np.uint8)
    whole = shaper.convert(pixels)
    assert (whole[::9973] == shaper.convert(pixels[::9973])).all()
    assert (shaper.convert(pixels[-3:]) == whole[-3:]).all()


@pytest.mark.parametrize("curve", ["P3", "type 4"])
def test_srgb_profiles_leave_pixels_untouched(curve: str) -> None:
    assert parse_profile(rgb_profile(SRGB, CURVES[curve])).conversion is None
    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert parse_profile(built_in).conversion is None


def test_srgb_primaries_with_another_curve_are_converted() -> None:
    assert isinstance(parse_profile(rgb_profile(SRGB, CURVES["gamma 1.8"])).conversion, Shaper)


def test_gray_profile_is_one_table_and_agrees_with_lcms() -> None:
    profile = gray_profile(CURVES["gamma 1.8"])
    conversion = parse_profile(profile).conversion
    assert isinstance(conversion, GrayCurve)
    ramp = np.arange(256, dtype=np.uint8)[None]
    theirs = through_lcms(ramp, profile)[0, :, 0].astype(int)
    assert np.abs(conversion.table.astype(int) - theirs).max() <= 1


def test_encode_table_is_far_from_rounding_borders() -> None:
    u = np.arange(65536) / 65535
    exact = 255 * np.where(u <= 0.0031308, 12.92 * u, 1.055 * u ** (1 / 2.4) - 0.055)
    assert np.abs(exact % 1 - 0.5).min() > 1e-6
    assert (np.floor(exact + 0.5) == encode_table()).all()
    # The digest in docs/pixels.md: other languages check their table against it.
    digest = hashlib.sha256(encode_table().tobytes()).hexdigest()
    assert digest.startswith("02387f3d0fb18f89")


@pytest.mark.parametrize(("code", "name"), [(16, "PQ"), (18, "HLG"), (13, "SDR")])
def test_high_dynamic_range_is_recognised_by_cicp(code: int, name: str) -> None:
    cicp = b"cicp" + bytes(4) + bytes([9, code, 0, 1])
    profile = rgb_profile(DISPLAY_P3, CURVES["P3"], extra={b"cicp": cicp})
    assert parse_profile(profile).transfer == name


def pq(x: float) -> float:
    """SMPTE ST 2084 as the standard writes it."""
    root = x ** (1 / 78.84375)
    return float(
        (max(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    )


def hlg(x: float) -> float:
    """ITU-R BT.2100's inverse OETF."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    return x * x / 3 if x <= 0.5 else (math.exp((x - c) / a) + b) / 12


def sampled(curve: Callable[[float], float]) -> bytes:
    values = [round(65535 * curve(i / 1023)) for i in range(1024)]
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *values)


@pytest.mark.parametrize("words", ["Rec. ITU-R BT.2100 HLG", "PQ Studio", "HLGraphics", "SDR"])
@pytest.mark.parametrize(
    ("name", "curve"),
    [("PQ", sampled(pq)), ("HLG", sampled(hlg))]
    + [("SDR", curve) for curve in CURVES.values()]
    + [("SDR", para(0, 3.6))],
)
def test_high_dynamic_range_is_recognised_by_its_curve_not_its_name(
    words: str, name: str, curve: bytes
) -> None:
    text = words.encode("utf-16-be")
    desc = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    profile = rgb_profile(DISPLAY_P3, curve, extra={b"desc": desc})
    assert parse_profile(profile).transfer == name
    assert parse_profile(gray_profile(curve)).transfer == name


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (b"", "no ICC header"),
        (b"\0" * 200, "no ICC header"),
        (rgb_profile(DISPLAY_P3, b"text" + bytes(20)), "unknown kind"),
        (rgb_profile(DISPLAY_P3, para(9, 1.0)), "unknown kind"),
        (rgb_profile(DISPLAY_P3, para(0, 0.0)), "not positive"),
        (rgb_profile(((0, 0, 0),) * 3, TABLE), "do not add up"),
        (rgb_profile(DISPLAY_P3, b"curv" + bytes(4) + struct.pack(">I", 1 << 30)), "cut off"),
    ],
)
def test_damage_is_named(profile: bytes, words: str) -> None:
    with pytest.raises(ProfileError, match=words):
        parse_profile(profile)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_mutated_profiles_parse_or_are_refused(data: st.DataObject) -> None:
    profile = bytearray(rgb_profile(DISPLAY_P3, data.draw(st.sampled_from(list(CURVES.values())))))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(profile) - 1))
        profile[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(profile)))
    try:
        conversion = parse_profile(bytes(profile[:cut])).conversion
    except ProfileError:
        return
    if isinstance(conversion, Shaper):
        assert np.isfinite(conversion.linear).all()
