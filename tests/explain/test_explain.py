"""Where a photo is bad, by scorers whose score is the brightness: the answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support_scorer import SMALL, brightness_bundle, brightness_onnx, reasoned_file

from ralikit.errors import PhotoError, UsageError
from ralikit.explain import MOST, explain, fill_view, is_plain
from ralikit.model.facts import facts_of
from ralikit.models import bundled
from ralikit.progress import telling
from ralikit.scorer import Scorer, load

Pixels = NDArray[np.uint8]


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return load(brightness_bundle(tmp_path / "bundle").root)


def spotted(
    width: int = 480, height: int = 360, *, dark: tuple[int, int] = (300, 60), level: int = 20
) -> Pixels:
    """A bright picture of stripes with a darker square of 120 pixels."""
    pixels = np.full((height, width, 3), 200, dtype=np.uint8)
    left, top = dark
    pixels[top : top + 120, left : left + 120] = level
    pixels[:, np.arange(width) % 60 < 30] += 20
    return pixels


@pytest.mark.parametrize("dark", [(0, 0), (360, 240), (120, 180), (300, 60)])
def test_the_worst_window_lies_on_the_dark_square(scorer: Scorer, dark: tuple[int, int]) -> None:
    found = explain(scorer, spotted(dark=dark))
    worst = found.worst
    assert worst.left >= dark[0] - 30
    assert worst.top >= dark[1] - 30
    assert worst.right <= dark[0] + 150
    assert worst.bottom <= dark[1] + 150
    assert worst.value == pytest.approx(1 + 4 * 30 / 255, abs=0.2)
    assert found.median == pytest.approx(1 + 4 * 210 / 255, abs=0.06)
    assert found.stands_out
    assert worst in found.windows


def test_the_map_is_lowest_there_and_covers_the_photo(scorer: Scorer) -> None:
    found = explain(scorer, spotted(dark=(300, 60)))
    rows, columns = found.cells.shape
    row, column = np.unravel_index(int(found.cells.argmin()), found.cells.shape)
    assert 300 <= (column + 0.5) / columns * 480 <= 420
    assert 60 <= (row + 0.5) / rows * 360 <= 180
    low, high = found.span
    assert low <= found.cells.min() <= found.cells.max() <= high


def test_the_whole_score_is_the_scorers(scorer: Scorer) -> None:
    photo = spotted()
    assert explain(scorer, photo).score == scorer.score(photo)


def test_an_even_photo_has_no_region_that_stands_out(scorer: Scorer) -> None:
    found = explain(scorer, np.full((90, 120, 3), 77, dtype=np.uint8))
    assert not found.stands_out
    assert found.worst.value == pytest.approx(found.median)
    assert found.span[1] - found.span[0] == pytest.approx(2 * 0.25)  # two of its tie widths


def test_less_than_a_tie_width_does_not_stand_out(scorer: Scorer) -> None:
    for lower, stands_out in ((12, False), (22, True)):  # 0.19 and 0.35; the tie width is 0.25
        found = explain(scorer, spotted(level=200 - lower))
        assert found.median - found.worst.value == pytest.approx(lower * 4 / 255, abs=0.05)
        assert found.stands_out is stands_out


def test_a_plain_window_is_never_the_worst(scorer: Scorer) -> None:
    pixels = spotted()
    pixels[240:, :120] = 0  # scores lowest of all, and nothing is in it
    found = explain(scorer, pixels)
    lowest = min(found.windows, key=lambda window: window.value)
    assert lowest.plain
    assert lowest.right <= 120
    assert not found.worst.plain
    assert found.worst.value > lowest.value
    assert found.plain.shape == found.cells.shape
    assert found.plain[-1, 0] == 1.0
    assert found.plain[0, 0] == 0.0
    assert found.span[0] > found.cells.min()  # its colours are for what is judged


@pytest.mark.parametrize("edge", [6, 12, 96])
def test_what_is_plain(edge: int) -> None:
    even = np.full((edge, edge, 3), 90, dtype=np.uint8)
    assert is_plain(even)
    half = even.copy()
    half[: edge // 2] += 11  # a standard deviation of 5.5
    assert is_plain(half)
    half[: edge // 2] += 2  # 6.5
    assert not is_plain(half)
    noise = np.random.default_rng(0).normal(0, 25, even.shape)
    assert is_plain(np.clip(even + noise, 0, 255).astype(np.uint8)) is (edge == 96)


def test_reasons_of_the_worst_region(tmp_path: Path) -> None:
    pixels = spotted(300, 300, dark=(180, 180), level=5)
    found = explain(load(reasoned_file(tmp_path / "tiny.onnx")), pixels)
    assert [reason.id for reason in found.worst.reasons] == ["too-dark"]
    assert found.worst.reason_values["too-dark"] == pytest.approx(1 - 15 / 255, abs=0.03)
    assert (found.worst.right, found.worst.bottom) == (300, 300)


def test_windows_of_a_photo_that_is_squashed_are_not(tmp_path: Path) -> None:
    found = explain(load(reasoned_file(tmp_path / "tiny.onnx")), spotted(800, 200, dark=(600, 40)))
    assert found.pixels.size == (128, 32)
    assert found.worst.right - found.worst.left == found.worst.bottom - found.worst.top
    assert 600 <= (found.worst.left + found.worst.right) / 2 <= 720


def test_boxes_are_pixels_of_the_upright_photo(scorer: Scorer, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: the top of the upright photo is the left of the file
    upright = Image.fromarray(spotted(dark=(330, 30)))
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif)
    turned = explain(scorer, tmp_path / "a.png")
    assert (turned.score.width, turned.score.height) == (480, 360)
    assert turned.worst == explain(scorer, upright).worst


def test_every_view_is_the_window(tmp_path: Path) -> None:
    # The graph's mean runs over all views: one that kept another picture would show in it.
    scorer = load(brightness_bundle(tmp_path / "bundle").root)
    view = np.full((SMALL.size, SMALL.size, 3), 51, dtype=np.uint8)
    assert scorer.score_view(view)[0] == pytest.approx(1 + 4 * 51 / 255, abs=1e-5)
    with pytest.raises(UsageError, match="takes uint8 views of shape"):
        scorer.score_view(view[:-1])


def test_equal_views_score_as_one_view_does() -> None:
    torch = pytest.importorskip("torch", reason="compares with the folded model in torch")
    from ralikit.model.folded import fold

    view = np.random.default_rng(3).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    with torch.inference_mode():
        alone = float(fold(bundled())(torch.from_numpy(view[None])))
    assert load("mini").score_view(view)[0] == pytest.approx(alone, abs=1e-4)


def test_a_small_window_is_mirrored_not_enlarged() -> None:
    window = np.arange(4, dtype=np.uint8).reshape(2, 2, 1).repeat(3, axis=2)
    filled = fill_view(window, 5)[..., 0]
    assert filled.tolist() == [
        [0, 1, 1, 0, 0],
        [2, 3, 3, 2, 2],
        [2, 3, 3, 2, 2],
        [0, 1, 1, 0, 0],
        [0, 1, 1, 0, 0],
    ]


@pytest.mark.parametrize("edge", [0, -1, SMALL.size + 1])
def test_edges_that_are_none(scorer: Scorer, edge: int) -> None:
    with pytest.raises(UsageError, match="edge must lie within 1 and the view's 16 pixels"):
        explain(scorer, spotted(), edge=edge)


def test_a_photo_that_is_too_long_is_refused_before_it_is_resized(scorer: Scorer) -> None:
    with pytest.raises(PhotoError, match=f"more than {MOST} windows side by side"):
        explain(scorer, np.zeros((3, 60_000, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 9)])
def test_tiny_photos(scorer: Scorer, size: tuple[int, int]) -> None:
    found = explain(scorer, np.zeros((*size, 3), dtype=np.uint8))
    assert found.worst.value == pytest.approx(1.0)


def test_what_is_left_is_told(scorer: Scorer) -> None:
    heard: list[tuple[str, float]] = []
    with telling(lambda stage, done: heard.append((stage, done))):
        found = explain(scorer, spotted())
    assert [stage for stage, _ in heard] == [f"{len(found.windows)} windows"] * len(found.windows)
    assert heard[-1][1] == 1.0
    assert sorted(heard) == heard


def test_a_model_without_a_tie_width(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle", tie_width=None)
    found = explain(load(bundle.root), spotted())
    assert found.stands_out
    one_view = replace(SMALL, anchors=((0.5, 0.5),))
    file = tmp_path / "one.onnx"
    facts = facts_of(replace(bundle, info=replace(bundle.info, preprocess=one_view)))
    file.write_bytes(brightness_onnx(facts, one_view))
    assert explain(load(file), spotted()).worst.value == pytest.approx(found.worst.value, abs=1e-5)
