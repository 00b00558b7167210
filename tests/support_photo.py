"""A photo made up for tests that look at what spoils one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def textured() -> NDArray[np.uint8]:
    """Soft shapes with fine texture on one half, (192, 256, 3)."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 200, (12, 16, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((256, 192), Image.Resampling.BICUBIC)).astype(np.float32)
    pixels[:, :128] += rng.normal(size=(192, 128, 1)) * 25
    return pixels.clip(0, 255).astype(np.uint8)
