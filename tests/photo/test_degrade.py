"""Degradations: the same by seed, worse by severity, what their label says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from ralikit.errors import UsageError
from ralikit.photo.degrade import (
    BLUR_SIGMA,
    CLASSES,
    DARKEN_FACTOR,
    JPEG_QUALITY,
    SEVERITIES,
    Degradation,
    blur,
    bound_pixels,
    compress,
    darken,
    degrade,
    draw_degradation,
)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((256, 192), Image.Resampling.BICUBIC), dtype=np.int16)
    fine = rng.integers(-20, 21, smooth.shape)
    return Image.fromarray(np.clip(smooth + fine, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("kind", CLASSES)
def test_severity_orders_the_damage(photo: Image.Image, kind: str) -> None:
    original = np.asarray(photo, dtype=np.float64)
    damage = []
    for severity in SEVERITIES:
        worse = degrade(photo, Degradation(kind, severity), seed=0, index=3)
        assert worse.size == photo.size
        assert worse.mode == "RGB"
        damage.append(float(np.mean((np.asarray(worse, dtype=np.float64) - original) ** 2)))
    assert damage == sorted(damage)
    assert damage[0] > 0


@pytest.mark.parametrize("kind", CLASSES)
def test_same_seed_same_pixels(photo: Image.Image, kind: str) -> None:
    what = Degradation(kind, "obvious")
    first = degrade(photo, what, seed=7, index=1)
    assert first.tobytes() == degrade(photo, what, seed=7, index=1).tobytes()
    other = degrade(photo, what, seed=8, index=1).tobytes()
    assert (first.tobytes() == other) is (kind != "noise")


def test_noise_has_the_stated_strength() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    for severity, sigma in zip(SEVERITIES[:3], (8.0, 16.0, 28.0), strict=True):
        noisy = np.asarray(degrade(grey, Degradation("noise", severity), seed=0, index=0))
        assert noisy.std() == pytest.approx(sigma, rel=0.02)


def test_classes_are_the_plain_ways_at_named_strengths(photo: Image.Image) -> None:
    def made(kind: str) -> bytes:
        return degrade(photo, Degradation(kind, "obvious"), seed=0, index=0).tobytes()

    edge = min(photo.size)
    assert made("blur") == blur(photo, BLUR_SIGMA[2] * edge / 512).tobytes()
    assert made("compression") == compress(photo, JPEG_QUALITY[2]).tobytes()
    assert made("darken") == darken(np.asarray(photo, np.float32), DARKEN_FACTOR[2]).tobytes()


def test_clean_photo_is_untouched(photo: Image.Image) -> None:
    assert degrade(photo, Degradation("null", "null"), seed=0, index=0) is photo


def test_draws_are_even_and_repeatable() -> None:
    drawn = [draw_degradation(5, i) for i in range(4200)]
    assert drawn == [draw_degradation(5, i) for i in range(4200)]
    counts = Counter(drawn)
    assert len(counts) == 21
    assert min(counts.values()) > 140  # 200 expected of each
    assert max(counts.values()) < 260
    assert all(draw_degradation(5, i, clean_share=0.0).kind != "null" for i in range(200))


def test_photo_is_brought_to_the_size_the_model_sees(photo: Image.Image) -> None:
    small = bound_pixels(photo, 3072)
    assert small.size == (64, 48)
    assert bound_pixels(photo, 10**6) is photo


def test_unknown_degradation_is_refused(photo: Image.Image) -> None:
    with pytest.raises(UsageError, match="no degradation 'fog' of severity 'slight'"):
        degrade(photo, Degradation("fog", "slight"), seed=0, index=0)
