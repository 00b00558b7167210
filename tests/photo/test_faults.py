"""Planted faults: every reason has renderings of both kinds, and each does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from ralikit.errors import UsageError
from ralikit.model.reasons import BANK
from ralikit.photo.faults import RENDERINGS, Rendering, plant, renderings
from ralikit.probes import probe_photos

PHOTO = np.ascontiguousarray(probe_photos()[0].pixels[:256, :240])
GENTLE, STRONG = 0.1, 0.9


def planted(what: Rendering, strength: float, seed: int = 0) -> np.ndarray:
    return plant(PHOTO, what, strength, rng=np.random.default_rng(seed))


def named(name: str) -> Rendering:
    return next(r for r in RENDERINGS if r.name == name)


def detail(pixels: np.ndarray) -> float:
    levels = pixels.astype(float).mean(axis=2)
    return float(np.abs(np.diff(levels, axis=1)).mean() + np.abs(np.diff(levels, axis=0)).mean())


def test_two_renderings_a_reason_to_fit_on_and_two_kept_out() -> None:
    for held_out in (False, True):
        assert [r.reason for r in renderings(held_out=held_out)] == [
            entry.info.id for entry in BANK for _ in range(2)
        ]
    assert len({r.name for r in RENDERINGS}) == len(RENDERINGS) == 4 * len(BANK)


@pytest.mark.parametrize("what", RENDERINGS, ids=lambda r: r.name)
def test_same_seed_same_pixels_and_stronger_is_farther_from_the_photo(what: Rendering) -> None:
    gentle, strong = planted(what, GENTLE), planted(what, STRONG)
    assert gentle.shape == PHOTO.shape
    assert gentle.dtype == np.uint8
    assert np.array_equal(gentle, planted(what, GENTLE))
    away = [np.abs(p.astype(int) - PHOTO).mean() for p in (gentle, strong)]
    assert 0 < away[0] < away[1]


@pytest.mark.parametrize("reason", ["out-of-focus", "motion-blur"])
def test_blur_takes_detail_and_keeps_brightness(reason: str) -> None:
    for what in (r for r in RENDERINGS if r.reason == reason):
        worse = planted(what, STRONG)
        assert detail(worse) < 0.6 * detail(PHOTO)
        assert abs(worse.mean() - PHOTO.mean()) < 2


def test_motion_blurs_along_its_direction_and_focus_in_all() -> None:
    # A lone white point becomes the kernel itself.
    point = np.zeros((128, 128, 3), np.uint8)
    point[64, 64] = 255

    def elongation(name: str) -> float:
        blurred = plant(np.tile(point, (1, 1, 1)), named(name), 1.0, rng=np.random.default_rng(3))
        y, x = np.nonzero(blurred[..., 0])
        spread = np.linalg.eigvalsh(np.cov(np.stack([x, y])))
        return float(spread[1] / max(spread[0], 1e-9))

    assert elongation("disc") == pytest.approx(1, abs=0.2)
    assert elongation("line") > 10


def test_noise_adds_detail_everywhere() -> None:
    flat = np.full((96, 96, 3), 128, np.uint8)
    for what in (r for r in RENDERINGS if r.reason == "noise"):
        noisy = plant(flat, what, 0.5, rng=np.random.default_rng(0)).astype(float)
        assert noisy.std() > 8
        assert abs(noisy.mean() - 128) < 6
    grey = plant(flat, named("grey_noise"), 0.5, rng=np.random.default_rng(0))
    assert np.ptp(grey, axis=2).max() == 0


@pytest.mark.parametrize(("reason", "sign"), [("too-dark", -1), ("too-bright", 1)])
def test_exposure_moves_brightness_its_way(reason: str, sign: int) -> None:
    for what in (r for r in RENDERINGS if r.reason == reason):
        gentle, strong = (planted(what, s).mean() - PHOTO.mean() for s in (GENTLE, STRONG))
        assert 0 < 1.5 * sign * gentle < sign * strong


def test_low_contrast_narrows_the_levels() -> None:
    for what in (r for r in RENDERINGS if r.reason == "low-contrast"):
        gentle, strong = planted(what, GENTLE), planted(what, STRONG)
        assert strong.std() < 0.35 * PHOTO.std()
        assert strong.std() < gentle.std() < PHOTO.std()


def test_colours_change_and_brightness_hardly() -> None:
    for name in ("desaturated", "cast", "tinted"):
        worse = planted(named(name), 0.5)
        luma = [float((p @ np.array([0.299, 0.587, 0.114])).mean()) for p in (worse, PHOTO)]
        assert abs(luma[0] - luma[1]) < 8
    grey = planted(named("desaturated"), 1.0)
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert np.ptp(PHOTO.astype(int), axis=2).max() > 50


def test_jpeg_has_edges_on_its_grid() -> None:
    levels = planted(named("jpeg"), STRONG).astype(float).mean(axis=2)
    steps = np.abs(np.diff(levels, axis=1)).mean(axis=0)
    on_grid = steps[7::8].mean()
    assert on_grid > 2 * np.delete(steps, np.s_[7::8]).mean()


def test_sizes_grow_with_the_photo() -> None:
    small = np.zeros((256, 256, 3), np.uint8)
    large = np.zeros((512, 512, 3), np.uint8)
    small[128:], large[256:] = 255, 255
    widths = [
        int(((p[:, 0, 0] > 10) & (p[:, 0, 0] < 245)).sum())
        for p in (
            plant(x, named("disc"), 0.8, rng=np.random.default_rng(0)) for x in (small, large)
        )
    ]
    assert widths[1] == pytest.approx(2 * widths[0], abs=2)


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_strength_lies_in_0_to_1(strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        planted(RENDERINGS[0], strength)
