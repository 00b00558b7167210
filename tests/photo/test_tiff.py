"""Every layout of a TIFF is scored as its 8-bit interleaved twin is, or refused in a sentence."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support_icc import DISPLAY_P3, rgb_profile
from support_tiff import COMPRESSIONS, Writing, write_tiff

from ralikit.errors import PhotoError
from ralikit.photo.decode import decode

WIDTH, HEIGHT = 37, 29  # no multiple of a tile, a strip or a byte
COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}
EXTRAS: tuple[tuple[int, ...] | None, ...] = (None, (0,), (1,), (2,), (0, 0), (2, 0), (0, 2))
LAYOUTS = [
    Writing(photometric=photometric, bits=bits, order=order, planar=planar, extras=extras)
    for photometric, bits, order, planar, extras in itertools.product(
        COLOURS, (8, 16), "<>", (False, True), EXTRAS
    )
]


def samples_of(writing: Writing) -> NDArray[Any]:
    """A soft picture and its extra samples, 8 bits, (H, W, N)."""
    count = COLOURS[writing.photometric] + len(writing.extras or ())
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bands = [(x * (3 + c) + y * (5 - c) + 40 * c) % 200 + 20 for c in range(count)]
    return np.stack(bands, axis=-1).astype(np.uint8)


def twin_of(samples: NDArray[Any], writing: Writing) -> NDArray[np.uint8]:
    """What the picture is, worked out here: (H, W, 3)."""
    colours = COLOURS[writing.photometric]
    base = samples[..., :colours].astype(np.int64)
    if writing.photometric == 0:
        base = 255 - base
    alpha = None
    for index, extra in enumerate(writing.extras or ()):
        if extra:
            alpha = samples[..., colours + index, None].astype(np.int64)
            if extra == 1:
                base = np.minimum(255 * base // np.maximum(alpha, 1), 255)
    if colours == 4:
        black = 255 - base[..., 3:]
        t = base[..., :3] * black + 128
        base = np.clip(black - ((t + (t >> 8)) >> 8), 0, 255)
    base = np.repeat(base, 3, axis=-1) if colours == 1 else base
    if alpha is not None:
        t = base * alpha + 255 * (255 - alpha) + 128
        base = (t + (t >> 8)) >> 8
    return base.astype(np.uint8)


def pixels_or_refused(data: bytes) -> NDArray[np.uint8] | None:
    """The pixels; None where the layout is refused in the sentence for it."""
    try:
        return decode(data).pixels
    except PhotoError as error:
        if "layout that is not read" not in str(error) or "\n" in str(error):
            raise
        return None


def check(writing: Writing) -> str:
    """ "right", or why it is refused; fails where pixels are wrong."""
    samples = samples_of(writing)
    noise = np.random.default_rng(0).integers(0, 256, samples.shape)
    wide = samples.astype(np.uint16) * 256 + noise if writing.bits == 16 else samples
    data = write_tiff(wide, writing)
    pixels = pixels_or_refused(data)
    if pixels is None:
        return "refused"
    off = np.abs(pixels.astype(int) - twin_of(samples, writing)).max()
    # Pillow's own division of premultiplied colours rounds otherwise.
    assert off <= (1 if writing.extras and 1 in writing.extras else 0), (off, writing)
    return "right"


@pytest.mark.parametrize("compression", [c for c in COMPRESSIONS if c != "jpeg"])
def test_every_layout_is_right_or_refused(compression: str) -> None:
    outcomes = [check(replace(layout, compression=compression)) for layout in LAYOUTS]
    refused = [w for w, o in zip(LAYOUTS, outcomes, strict=True) if o == "refused"]
    # What is refused: ink photos with opacity. Nothing else.
    assert {w.photometric for w in refused} <= {5}
    assert all(any(w.extras or ()) for w in refused)


@pytest.mark.parametrize("layout", [w for w in LAYOUTS if w.order == "<"])
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_tiles(layout: Writing, compression: str) -> None:
    check(replace(layout, compression=compression, tile=16))


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("layout", [w for w in LAYOUTS if w.extras in (None, (2,))])
def test_differences(layout: Writing, tile: int | None) -> None:
    check(replace(layout, compression="deflate", predictor=2, tile=tile))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("compression", ["none", "deflate"])
def test_twelve_bits(order: str, photometric: int, compression: str) -> None:
    writing = Writing(photometric=photometric, bits=12, order=order, compression=compression)
    gray = samples_of(writing)
    data = write_tiff(gray.astype(np.uint16) * 16 + 9, writing)
    assert (decode(data).pixels == twin_of(gray, writing)).all()


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("compression", ["none", "deflate", "packbits"])
def test_few_bits(bits: int, photometric: int, planar: bool, compression: str) -> None:
    writing = Writing(photometric=photometric, bits=bits, planar=planar, compression=compression)
    top = (1 << bits) - 1
    levels = samples_of(writing) % (top + 1)
    got = decode(write_tiff(levels, writing)).pixels
    assert (got == twin_of(levels * (255 // top), writing)).all()


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("photometric", [0, 1, 2])
def test_jpeg_inside(photometric: int, planar: bool) -> None:
    writing = Writing(photometric=photometric, planar=planar, compression="jpeg", strip=HEIGHT)
    samples = samples_of(writing)
    data = write_tiff(samples, writing)
    pixels = pixels_or_refused(data)
    assert (pixels is None) <= planar
    if pixels is not None:
        assert np.abs(pixels.astype(int) - twin_of(samples, writing)).max() < 16


@pytest.mark.parametrize("layout", [Writing(photometric=2, planar=True, bits=16)])
def test_orientation_and_profile_come_with_the_pixels(layout: Writing) -> None:
    samples = samples_of(layout)
    profile = rgb_profile(DISPLAY_P3, b"curv" + bytes(4) + b"\0\0\0\1" + b"\2\x33")
    words = tuple(profile)
    plain = decode(write_tiff(samples.astype(np.uint16) * 257, layout))
    turned = replace(layout, tags=((274, 3, (6,)),))
    assert (
        decode(write_tiff(samples.astype(np.uint16) * 257, turned)).pixels
        == np.rot90(plain.pixels, -1)
    ).all()
    tagged = replace(layout, tags=((34675, 7, words),))
    eight = replace(layout, planar=False, bits=8, tags=tagged.tags)
    got = decode(write_tiff(samples.astype(np.uint16) * 257, tagged)).pixels
    assert (got == decode(write_tiff(samples, eight)).pixels).all()
    assert (got != plain.pixels).any()


@pytest.mark.parametrize(
    ("writing", "why"),
    [
        (Writing(photometric=1, tags=((339, 3, (2,)),)), "signed samples"),
        (Writing(photometric=1, bits=16, tags=((339, 3, (2,)),)), "signed samples"),
        (Writing(photometric=5, tags=((332, 3, (2,)),)), "inks other than CMYK"),
        (Writing(photometric=2, tags=((262, 3, (8,)),)), "CIELAB"),
        (Writing(photometric=1, bits=16, tags=((266, 3, (2,)),), extras=(2,)), "not read"),
    ],
)
def test_what_cannot_be_shown_is_refused(writing: Writing, why: str) -> None:
    samples = samples_of(writing)
    with pytest.raises(PhotoError, match=why):
        decode(write_tiff(samples, writing))


def test_subsampled_colour_without_compression_is_refused() -> None:
    pixels = np.full((8, 16, 3), 128, dtype=np.uint8)  # half as many samples as pixels need
    writing = Writing(photometric=6, strip=16, tags=((530, 3, (2, 2)), (257, 4, (16,))))
    with pytest.raises(PhotoError, match="subsampled"):
        decode(write_tiff(pixels, writing))


def test_cut_off_planes_are_refused() -> None:
    writing = Writing(photometric=2, planar=True, bits=16)
    data = write_tiff(samples_of(writing).astype(np.uint16), writing)
    for share in (0.5, 0.9, 0.99):
        with pytest.raises(PhotoError):
            decode(data[: int(len(data) * share)])
