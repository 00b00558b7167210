"""The map as a picture: what it must show, read back from its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, features

from ralikit.explain import Explanation, Window
from ralikit.explain.picture import colours, draw_map
from ralikit.model.reasons import Reason
from ralikit.scorer import Score


def found(width: int = 600, height: int = 400, **changes: object) -> Explanation:
    """The right half of a grey photo is bad; its worst window is a square in it."""
    score = Score(
        value=3.0,
        minimum=1.0,
        maximum=5.0,
        tie_width=0.3,
        source="a.png",
        width=width,
        height=height,
        notes=(),
        runtime="none",
    )
    edge = min(width, height) / 2
    worst = Window(left=width - edge, top=0.0, right=float(width), bottom=edge, value=1.5)
    made = Explanation(
        model="made-up",
        score=score,
        windows=(worst,),
        worst=worst,
        stands_out=True,
        median=3.5,
        cells=np.repeat([[4.0] * 6 + [1.5] * 6], 8, axis=0),
        plain=np.zeros((8, 12)),
        span=(1.5, 4.0),
        pixels=Image.new("RGB", (width, height), (128, 128, 128)),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


# Machado, Oliveira, Fernandes 2009, severity 1, linear RGB.
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "none": np.eye(3).tolist(),
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_get_lighter_for_every_eye(kind: str) -> None:
    shades = colours(np.linspace(0, 1, 33)).astype(np.float64)
    share = shades / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(BLINDNESS[kind]).T, 0, 1) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(seen) > 0).all()
    assert (seen[-1] + 0.05) / (seen[0] + 0.05) > 7


@pytest.mark.parametrize("shape", [(600, 400), (400, 600), (900, 300)])
def test_bad_is_yellow_and_good_is_blue(shape: tuple[int, int]) -> None:
    picture = np.asarray(draw_map(found(*shape))).astype(int)
    blue = picture[..., 2] - picture[..., 0]
    map_rows, map_columns = np.nonzero(np.abs(blue) > 30)
    middle = (map_columns.min() + map_columns.max() - 118) / 2
    yellow_columns = np.nonzero(blue < -60)[1]
    blue_columns = np.nonzero(blue > 30)[1]
    assert np.median(blue_columns) < middle < np.median(yellow_columns)
    assert len(map_rows)


def test_the_photo_stands_beside_its_map_or_above_it() -> None:
    beside, above = draw_map(found(420, 420)), draw_map(found(840, 420))
    assert beside.width > 2 * 420
    assert beside.height < 2 * 420
    assert above.height > 2 * 420
    assert above.width < 2 * 840


@pytest.mark.parametrize("shape", [(1, 1), (4000, 30), (30, 4000), (5000, 4000)])
def test_pictures_of_any_photo_are_of_a_size_to_look_at(shape: tuple[int, int]) -> None:
    picture = draw_map(found(*shape))
    assert 400 < picture.width < 2000
    assert 60 < picture.height < 2000


def words(made: Explanation, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    written: list[str] = []
    from PIL import ImageDraw

    write = ImageDraw.ImageDraw.text

    def text(self: ImageDraw.ImageDraw, xy: object, said: str, **more: object) -> None:
        written.append(said)
        write(self, xy, said, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    draw_map(made)
    return written


def test_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = Reason(id="noise", words="noise", value=0.9)
    made = found()
    written = words(replace(made, worst=replace(made.worst, reasons=(reason,))), monkeypatch)
    assert "Worst region, outlined: 1.50: noise" in written
    assert "the whole photo: 3.00 on a scale of 1 to 5 (made-up)" in written
    assert {"4.00 better", "3.38", "2.75", "2.12", "1.50 worse"} <= set(written)


def test_it_says_that_nothing_stands_out(monkeypatch: pytest.MonkeyPatch) -> None:
    written = words(found(stands_out=False), monkeypatch)
    assert "No region stands out. The lowest, outlined, scores 1.50" in written


def test_what_is_plain_keeps_its_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = np.repeat([[0.0] * 6 + [1.0] * 6], 8, axis=0)
    made = found(420, 420, plain=plain)
    picture = np.asarray(draw_map(made)).astype(int)
    blue = (picture[..., 2] - picture[..., 0])[-16 - 200 : -20]  # below the outline
    left = 16 + 420 + 12  # of the map, beside the photo
    assert (blue[:, left + 270 : left + 420] == 0).all()
    assert (blue[:, left : left + 150] > 30).all()
    assert any("without colour: too plain to judge" in line for line in words(made, monkeypatch))


def test_without_freetype_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    from PIL import ImageFont

    monkeypatch.setattr(ImageFont, "load_default", lambda size: ImageFont.load_default_imagefont())
    assert draw_map(found()).width > 400
