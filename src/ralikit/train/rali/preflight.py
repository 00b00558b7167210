"""What a recipe asks for, held against what there is, before any work is spent on it.

Each check is one sentence about one mistake. What only the photos themselves can tell (that one
does not decode, that all are copies) is found when they are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ralikit.data.metas import Sample
from ralikit.data.triplets import Triplet
from ralikit.errors import UsageError
from ralikit.model.towers.base import Tower
from ralikit.train.rali.batches import shares
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.initial import freeze_parameters
from ralikit.train.rali.recipe import RaliRecipe
from ralikit.train.rali.text_encoders import TextEncoder, refuse_long


def check_sets(recipe: RaliRecipe, samples: Sequence[Sample], *, fits: bool) -> None:
    """Check what the recipe says of sets and counts against the labelled photos.

    Args:
        recipe: What is asked.
        samples: Every labelled photo.
        fits: Whether a fit will follow the alignment.

    Raises:
        UsageError: If a set is unknown, or there are too few photos.
    """
    there, left_out = {s.dataset for s in samples}, set(recipe.validation.leave_out)
    missing = sorted(left_out - there)
    if missing or left_out == there:
        raise UsageError(
            f"validation.leave_out names {', '.join(missing) or 'every set'}; the recipe has "
            f"{', '.join(sorted(there))}"
        )
    kept = [s.dataset for s in samples if s.dataset not in left_out]
    check_counts(recipe, len(kept), fits=fits)
    if recipe.align.balance is not None:
        counts = np.unique(np.array(kept), return_counts=True)[1]
        shares(counts, recipe.align.batch, recipe.align.balance)


def check_counts(recipe: RaliRecipe, photos: int, *, fits: bool) -> None:
    """Check that there are photos enough to train on for a batch, and for the fit.

    Raises:
        UsageError: If there are not.
    """
    batch = recipe.align.batch
    if photos < batch:
        raise UsageError(
            f"{photos} photos are fewer than a batch of {batch}: lower align.batch, or bring more"
        )
    if fits:
        _check_fit(recipe.fit, photos, None)


def check_tower(recipe: RaliRecipe, tower: Tower, photos: int, *, fits: bool) -> None:
    """Check what the recipe says of the tower against the tower that it starts from.

    Args:
        recipe: What is asked.
        tower: The tower; the parameters that stay are frozen.
        photos: To train on, at most.
        fits: Whether a fit will follow the alignment.

    Raises:
        TrainingError: If a frozen part is no part of it.
        UsageError: If its embeddings do not fit what is asked.
    """
    freeze_parameters(tower, recipe.align.frozen)
    if recipe.align.objective == "regression" and tower.dim != 1:
        raise UsageError(
            f"the tower's embeddings are {tower.dim} wide, and of a regression 1 wide: set "
            "tower.config.dim to 1"
        )
    projection = getattr(tower, "projection", None)
    if recipe.align.projection_init == "ridge" and not isinstance(projection, torch.nn.Linear):
        raise UsageError(
            "projection_init 'ridge' needs a tower that ends in a projection of its own; set "
            "projection_init to 'keep'"
        )
    if fits:
        _check_fit(recipe.fit, photos, tower.dim)


def check_encoder(
    recipe: RaliRecipe, tower: Tower, encoder: TextEncoder, texts: Sequence[Triplet] | None
) -> None:
    """Check that the text encoder is as wide as the tower and reads the texts that there are.

    Raises:
        UsageError: If the widths differ.
        TrainingError: If a text is too long for it, and the recipe refuses that.
    """
    if encoder.dim != tower.dim:
        raise UsageError(
            f"the tower's embeddings are {tower.dim} wide and the text encoder's {encoder.dim} "
            "wide; choose a text encoder of that width, or set the tower's dim"
        )
    if texts is not None and recipe.align.long_texts == "refuse":
        refuse_long(encoder, [text.text for triplet in texts for text in triplet.texts])


def _check_fit(fit: FitSettings, photos: int, dim: int | None) -> None:
    """Check a fit's sizes against at most so many photos, and features of this width."""
    taken = photos if fit.photos is None else min(photos, fit.photos)
    most = taken if dim is None else min(taken, dim)
    if fit.pca is not None and not 1 <= fit.pca <= most:
        of = "" if dim is None else f" of {dim} features"
        raise UsageError(
            f"fit.pca is {fit.pca}: the PCA's width must lie in 1..{most} for {taken} photos{of}"
        )
    if fit.tower_rate and fit.batch > taken:
        raise UsageError(
            f"fit.tower_rate trains on batches of {fit.batch} photos (fit.batch) and there are "
            f"{taken}: lower it, or bring more photos"
        )
    if fit.clusters > taken:
        raise UsageError(
            f"fit.clusters: {fit.clusters} centroids do not fit {taken} photos; lower it, or bring "
            "more photos"
        )
