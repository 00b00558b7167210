"""The rows GRPO trains on: prompts and truths in memory, photos opened when they are needed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.data.metas import require_images, require_one_score
from ralikit.photo.decode import open_photo
from ralikit.photo.degrade import Degradation, bound_pixels, degrade, draw_degradation
from ralikit.train.teacher.photos import list_photos
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.recipe import DegradationSpec, TeacherRecipe

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["as_dataset", "teacher_rows"]

DEGRADED = "degraded"
"""The dataset name of the degradation task's rows."""


def teacher_rows(recipe: TeacherRecipe) -> list[dict[str, Any]]:
    """One row a prompt: the conversation, the photo's path and the truth.

    Every photo is looked for before anything is spent on training.

    Raises:
        DataError: If labels cannot be read or a photo is missing.
    """
    rows: list[dict[str, Any]] = []
    prompt = get_prompt(recipe.score_prompt).messages()
    for spec in recipe.data:
        samples = spec.read()
        require_images(samples)
        require_one_score(samples)
        rows += [
            {
                "prompt": prompt,
                "task": "score",
                "photo": str(sample.image),
                "mos": sample.score,
                "dataset": sample.dataset,
                "kind": "",
                "severity": "",
                "draw": -1,
            }
            for sample in samples
        ]
    if recipe.degradation is not None:
        rows += _degradation_rows(recipe.degradation)
    return [{"row": i, **row} for i, row in enumerate(rows)]


def as_dataset(rows: list[dict[str, Any]], recipe: TeacherRecipe) -> Any:
    """The rows as a `datasets.Dataset` whose `images` are opened, and degraded, on access."""
    from datasets import Dataset

    spec = recipe.degradation
    max_pixels = recipe.grpo.max_pixels

    # A prompt's completions follow each other: its photo is decoded once, not N times.
    @functools.lru_cache(maxsize=4)
    def picture(photo: str, kind: str, severity: str, draw: int) -> Image:
        image = open_photo(Path(photo))
        if draw < 0 or spec is None:
            return image
        small = bound_pixels(image, max_pixels)
        return degrade(small, Degradation(kind, severity), seed=spec.seed, index=draw)

    def with_images(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        keys = ("photo", "kind", "severity", "draw")
        batch["images"] = [[picture(*key)] for key in zip(*(batch[k] for k in keys), strict=True)]
        return batch

    return Dataset.from_list(rows).with_transform(with_images)


def _degradation_rows(spec: DegradationSpec) -> list[dict[str, Any]]:
    photos = list_photos(spec.photos)
    prompt = get_prompt("degradation").messages()
    rows = []
    for draw in range(spec.count or len(photos)):
        truth = draw_degradation(spec.seed, draw, clean_share=spec.clean_share)
        rows.append(
            {
                "prompt": prompt,
                "task": "degradation",
                "photo": str(photos[draw % len(photos)]),
                "mos": 0.0,  # not read: the score reward does not apply to this task
                "dataset": DEGRADED,
                "kind": truth.kind,
                "severity": truth.severity,
                "draw": draw,
            }
        )
    return rows
