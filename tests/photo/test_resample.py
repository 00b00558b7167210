"""The integer resize gives Pillow's bytes, whole or a window of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ralikit.photo.resample import Pixels, Region, resize_image, resize_window, taps
from ralikit.photo.views import Filter

FILTERS: list[Filter] = ["bicubic", "bilinear", "lanczos"]
SIZES = st.integers(1, 90)


def noise(width: int, height: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def region_of(pixels: Pixels) -> Region:
    def region(left: int, top: int, right: int, bottom: int) -> Pixels:
        return pixels[top:bottom, left:right]

    return region


@settings(max_examples=100, deadline=None)
@given(size=st.tuples(SIZES, SIZES), to=st.tuples(SIZES, SIZES), resample=st.sampled_from(FILTERS))
def test_whole_resize_is_pillows(
    size: tuple[int, int], to: tuple[int, int], resample: Filter
) -> None:
    pixels = noise(*size)
    ours = resize_window(region_of(pixels), size, to, (0, 0, *to), resample=resample)
    theirs = np.asarray(resize_image(Image.fromarray(pixels), to, resample=resample))
    assert (ours == theirs).all()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_window_is_a_crop_of_pillows(data: st.DataObject) -> None:
    resample = data.draw(st.sampled_from(FILTERS))
    size = data.draw(st.tuples(SIZES, SIZES))
    to = data.draw(st.tuples(SIZES, SIZES))
    left, top = (data.draw(st.integers(0, extent - 1)) for extent in to)
    right = data.draw(st.integers(left + 1, to[0]))
    bottom = data.draw(st.integers(top + 1, to[1]))
    # A reduced JPEG ends in a partial pixel: eighths, on either side.
    eighths = [data.draw(st.integers(0, 7)) / 8 if extent > 1 else 0.0 for extent in size * 2]
    span = (eighths[0], eighths[1], size[0] - eighths[2], size[1] - eighths[3])
    pixels = noise(*size, seed=1)
    ours = resize_window(
        region_of(pixels), size, to, (left, top, right, bottom), resample=resample, span=span
    )
    theirs = resize_image(Image.fromarray(pixels), to, resample=resample, span=span)
    assert (ours == np.asarray(theirs)[top:bottom, left:right]).all()


@pytest.mark.parametrize("resample", FILTERS)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 1), (2, 333)])
def test_thin_photos(size: tuple[int, int], resample: Filter) -> None:
    pixels = noise(*size)
    for to in [(1, 1), (7, 5), (64, 64), (3, 400)]:
        ours = resize_window(region_of(pixels), size, to, (0, 0, *to), resample=resample)
        theirs = np.asarray(resize_image(Image.fromarray(pixels), to, resample=resample))
        assert (ours == theirs).all()


def test_a_flat_photo_stays_flat() -> None:
    pixels = np.full((37, 53, 3), 201, dtype=np.uint8)
    out = resize_window(region_of(pixels), (53, 37), (19, 80), (0, 0, 19, 80), resample="lanczos")
    assert (out == 201).all()


def test_a_window_of_a_huge_output_reads_few_pixels() -> None:
    # A photo of 1 x 20000 pixels, 512 wide: ten million rows, of which 320 are wanted.
    column = taps(20_000, 512 * 20_000, resample="bicubic", window=(5_120_000, 5_120_320))
    assert column.end - column.begin < 8
    assert abs(column.weights.sum(axis=1) - (1 << 22)).max() <= 4


@pytest.mark.parametrize("resample", FILTERS)
@pytest.mark.parametrize("size", [(90, 60), (640, 480), (400, 300), (301, 302)])
def test_photos_that_are_not_tall_have_the_bytes_of_one_pillow_call(
    size: tuple[int, int], resample: Filter
) -> None:
    image = Image.fromarray(noise(*size))
    for to in [(224, 224), (64, 48), (500, 375)]:
        whole = image.resize(to, Image.Resampling[resample.upper()])
        assert resize_image(image, to, resample=resample).tobytes() == whole.tobytes()
