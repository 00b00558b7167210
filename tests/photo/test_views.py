"""From photo to views: geometry, crops, and the same bytes on every path."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ralikit.errors import UsageError
from ralikit.photo import views as module
from ralikit.photo.decode import decode
from ralikit.photo.resample import resize_image
from ralikit.photo.views import Preprocess, load_views, make_views

FIVE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))


def noise(
    width: int, height: int, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    edge=st.integers(8, 600),
    anchor=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_every_view_lies_inside_the_resized_photo(
    width: int, height: int, edge: int, anchor: tuple[float, float]
) -> None:
    settings_ = Preprocess(size=8, shortest_edge=edge, anchors=(anchor,))
    wide, high = settings_.resized(width, height)
    assert min(wide, high) == edge
    ((left, top),) = settings_.corners(wide, high)
    assert 0 <= left <= wide - 8
    assert 0 <= top <= high - 8


@pytest.mark.parametrize("size", [(60, 45), (45, 60), (30, 30), (200, 31), (5, 4), (1, 1)])
def test_views_are_crops_of_the_resized_photo(size: tuple[int, int]) -> None:
    settings_ = Preprocess(size=32, shortest_edge=40, anchors=FIVE)
    pixels = noise(*size)
    resized = settings_.resized(*size)
    whole = np.asarray(resize_image(Image.fromarray(pixels), resized, resample="bicubic"))
    views = make_views(pixels, settings_)
    assert views.shape == (5, 32, 32, 3)
    right, bottom = resized[0] - 32, resized[1] - 32
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]
    for view, (left, top) in zip(views, corners, strict=True):
        assert (view == whole[top : top + 32, left : left + 32]).all()


def test_squash_takes_the_whole_photo() -> None:
    settings_ = Preprocess(size=20, shortest_edge=None)
    pixels = noise(50, 30)
    expected = np.asarray(resize_image(Image.fromarray(pixels), (20, 20), resample="bicubic"))
    assert (make_views(pixels, settings_)[0] == expected).all()


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    orientation=st.integers(1, 8),
    resample=st.sampled_from(["bicubic", "bilinear", "lanczos"]),
)
def test_whole_strips_and_windows_give_the_same_bytes(
    size: tuple[int, int], orientation: int, resample: module.Filter
) -> None:
    settings_ = Preprocess(size=24, shortest_edge=32, anchors=FIVE, resample=resample)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(noise(*size)).save(stream, "PNG", exif=exif)
    photo = decode(stream.getvalue())
    plain = make_views(photo.pixels, settings_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ralikit.photo.opened._STRIP", 200)
        assert (make_views(photo, settings_) == plain).all()
        patch.setattr("ralikit.photo.views._WHOLE", 0)
        assert (make_views(photo, settings_) == plain).all()


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (3, 90_000)])
def test_elongated_photos_need_no_huge_resize(size: tuple[int, int]) -> None:
    settings_ = Preprocess(size=48, shortest_edge=512, anchors=((0.5, 0.5), (1.0, 1.0)))
    ramp = np.linspace(0, 255, max(size)).astype(np.uint8)
    shape = (size[1], size[0], 3)
    pixels = np.broadcast_to(
        ramp[:, None, None] if size[0] < size[1] else ramp[None, :, None], shape
    )
    views = make_views(np.ascontiguousarray(pixels), settings_)
    assert views.shape == (2, 48, 48, 3)
    assert abs(int(views[0].mean()) - 127) <= 1
    assert views[1].min() >= 254


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_keeps_the_geometry(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_ = Preprocess(size=32, shortest_edge=48, anchors=FIVE)
    y, x = np.mgrid[0:415, 0:613]
    smooth = np.stack([x * 255 // 613, y * 255 // 415, (x + y) * 255 // 1030], axis=-1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(smooth.astype(np.uint8)).save(stream, "JPEG", quality=95, exif=exif)
    data = stream.getvalue()
    full = load_views(data, settings_).astype(int)
    monkeypatch.setattr("ralikit.photo.decode._DECODED_BYTES", 100_000)
    photo = module.decode_photo(data, settings_)
    assert photo.reduction == 4
    assert (photo.width, photo.height) == ((415, 613) if orientation >= 5 else (613, 415))
    # A pixel of this ramp is a third of a level wide: half a reduced pixel off would show.
    assert np.abs(make_views(photo, settings_).astype(int) - full).max() <= 2


def test_a_jpeg_is_not_reduced_below_twice_the_resize(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ralikit.photo.decode._DECODED_BYTES", 1)
    stream = io.BytesIO()
    Image.fromarray(noise(390, 200)).save(stream, "JPEG")
    for edge, reduction in [(24, 4), (25, 4), (26, 2), (50, 2), (51, 1)]:
        settings_ = Preprocess(size=8, shortest_edge=edge)
        assert module.decode_photo(stream.getvalue(), settings_).reduction == reduction


@pytest.mark.parametrize(
    "values",
    [
        {"size": 0, "shortest_edge": None},
        {"size": 32, "shortest_edge": 31},
        {"size": 8, "shortest_edge": 8, "anchors": ()},
        {"size": 8, "shortest_edge": 8, "anchors": ((0.5, 1.5),)},
        {"size": 8, "shortest_edge": 8, "std": (0.5, 0.0, 0.5)},
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Preprocess(**values)  # type: ignore[arg-type]
