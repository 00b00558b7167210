"""A worse photo scores lower: the bundled model on photos that come with the libraries."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ralikit.models import bundled_path
from ralikit.scorer import Scorer, load

PHOTOS = {
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "astronaut": ("skimage", "data/astronaut.png"),
    "chelsea": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
}


def blur(photo: Image.Image, radius: float) -> Image.Image:
    """The same share of the picture whatever its size: `radius` is at 512 pixels of short edge."""
    return photo.filter(ImageFilter.GaussianBlur(radius * min(photo.size) / 512))


def noise(photo: Image.Image, sigma: float) -> Image.Image:
    grain = np.random.default_rng(0).normal(0, sigma, (photo.height, photo.width, 3))
    return Image.fromarray((np.asarray(photo) + grain).round().clip(0, 255).astype(np.uint8))


def jpeg(photo: Image.Image, quality: float) -> Image.Image:
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=int(quality))
    return Image.open(stream)


def darkness(photo: Image.Image, light: float) -> Image.Image:
    """As a camera that got `light` of the light it needed: scaled in linear light, 8 bits."""
    linear = (np.asarray(photo) / 255) ** 2.2 * light
    return Image.fromarray((255 * linear ** (1 / 2.2)).round().astype(np.uint8))


# From just visible to severe, each step about twice as strong as the one before.
GRADES: dict[str, tuple[Callable[[Image.Image, float], Image.Image], tuple[float, ...]]] = {
    "blur": (blur, (0.75, 1.5, 3, 6)),
    "noise": (noise, (6, 12, 24, 48)),
    "jpeg": (jpeg, (50, 25, 12, 6)),
    "darkness": (darkness, (0.5, 0.25, 0.1, 0.04)),
}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    if not (bundled_path() / "ralikit.json").is_file():
        pytest.skip(f"no bundled model yet: {bundled_path()} is not a bundle")
    return load()


def photo_of(name: str) -> Image.Image:
    library, path = PHOTOS[name]
    module = pytest.importorskip(library)
    # Read from the package itself: nothing is fetched.
    return Image.open(Path(module.__file__).parent / path).convert("RGB")


@pytest.mark.parametrize("kind", GRADES)
@pytest.mark.parametrize("name", PHOTOS)
def test_every_step_but_at_most_one_lowers_the_score(scorer: Scorer, name: str, kind: str) -> None:
    photo = photo_of(name)
    degrade, strengths = GRADES[kind]
    steps = [photo, *(degrade(photo, strength) for strength in strengths)]
    values = [score.value for score in scorer.score_many(steps)]
    rises = sum(after >= before for before, after in pairwise(values))
    assert rises <= 1, [round(value, 3) for value in values]
    assert values[-1] < values[0]
