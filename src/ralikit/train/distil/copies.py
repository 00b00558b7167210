"""Photos and their degraded copies, for a teacher and a student that look at other sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ralikit.photo.resample import resize_image
from ralikit.photo.views import Preprocess
from ralikit.train.rali.augment import draw_chain
from ralikit.train.rali.photo_store import PhotoStore

Pixels = NDArray[np.uint8]
_STREAM = 31


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """A weak and a strong copy of every photo, with one fault of the bank, the same by number.

    A fault is planted in the larger of the photos that teacher and student look at, then both are
    made from that: what blurs one blurs the other.

    Attributes:
        source: The photos to plant in.
        seed: Of faults and strengths.
    """

    source: PhotoStore
    seed: int

    def of(self, number: int, preprocess: Preprocess) -> list[Pixels]:
        """The two copies at a model's size, (H, W, 3) each, the weak one first.

        Args:
            number: Of the photo.
            preprocess: The model's; its views are cut from what comes.
        """
        rng = np.random.default_rng([self.seed, _STREAM, number])
        chain = draw_chain(np.asarray(self.source[number]), rng, faults=True)
        return [_sized(copy, preprocess) for copy in chain.copies]


def looks_closer(first: Preprocess, second: Preprocess) -> bool:
    """Whether the first looks at larger photos than the second, or at as large ones."""
    return _edge(first) >= _edge(second)


def _edge(preprocess: Preprocess) -> int:
    # A model that squashes photos to a square cannot lend them to one that does not.
    return preprocess.shortest_edge or 0


def _sized(pixels: Pixels, preprocess: Preprocess) -> Pixels:
    height, width = pixels.shape[:2]
    size = preprocess.resized(width, height)
    if size == (width, height):
        return pixels
    photo = resize_image(Image.fromarray(pixels), size, resample=preprocess.resample)
    return np.asarray(photo)
