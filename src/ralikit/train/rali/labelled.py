"""A recipe's labelled photos and the texts that it brings for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ralikit.data.metas import Sample, require_images
from ralikit.data.triplets import Triplet, read_triplets
from ralikit.errors import DataError
from ralikit.train.rali.recipe import RaliRecipe


def read_samples(recipe: RaliRecipe) -> list[Sample]:
    """Every labelled photo of a recipe.

    Raises:
        DataError: If labels cannot be read, a photo is missing or labelled twice, or all alike.
    """
    samples: list[Sample] = []
    for spec in recipe.data:
        path, root = recipe.below(spec.path), recipe.below(spec.root)
        samples += replace(spec, path=path, root=root).read()
    require_images(samples)
    if len({(s.dataset, s.name) for s in samples}) < len(samples):
        raise DataError("a photo is labelled twice in the recipe's data")
    if len({s.score for s in samples}) == 1:
        raise DataError(
            f"all {len(samples)} photos are labelled {samples[0].score:g}: there is no difference "
            "to learn"
        )
    return matched_scales(samples) if recipe.scales == "matched" else samples


def matched_scales(samples: list[Sample]) -> list[Sample]:
    """Each set's scores with the mean and the spread that the sets have on average, within 1..5.

    Raters of different studies used different scales, and what a 3 means on one is not told on
    another. That the sets are alike in quality on average is an assumption.
    """
    names = sorted({s.dataset for s in samples})
    of = {n: np.array([s.score for s in samples if s.dataset == n]) for n in names}
    mean = float(np.mean([v.mean() for v in of.values()]))
    spread = float(np.mean([v.std() for v in of.values()]))

    def matched(sample: Sample) -> float:
        own = of[sample.dataset]
        z = (sample.score - own.mean()) / max(own.std(), 1e-6)
        return float(np.clip(mean + spread * z, 1.0, 5.0))

    return [replace(s, score=matched(s)) for s in samples]


def texts_of(samples: Sequence[Sample], triplets: Sequence[Triplet]) -> list[Triplet]:
    """The triplet of every photo, in the photos' order.

    Raises:
        DataError: If photos have no text: how many, and the first.
    """
    by_name = {(t.dataset, t.image): t for t in triplets} | {("", t.image): t for t in triplets}
    found = [by_name.get((s.dataset, s.name)) or by_name.get(("", s.name)) for s in samples]
    missing = [s.name for s, triplet in zip(samples, found, strict=True) if triplet is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(samples)} photos have no quality text, the first is "
            f"{missing[0]}; run ralikit describe for all of the data"
        )
    return [triplet for triplet in found if triplet is not None]


def given_texts(recipe: RaliRecipe, samples: Sequence[Sample]) -> list[Triplet] | None:
    """The texts that a recipe brings, a triplet a photo; None where rules write them.

    Raises:
        DataError: If a file is missing or no triplet file, or photos have no text.
    """
    if not recipe.texts.triplets:
        return None
    return texts_of(samples, read_triplets([recipe.below(p) for p in recipe.texts.triplets]))
