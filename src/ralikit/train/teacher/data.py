"""The rows GRPO trains on: prompts and truths in memory, photos opened when they are needed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.data.metas import require_images, require_one_score
from ralikit.errors import DataError
from ralikit.files import read_json
from ralikit.photo.decode import open_photo
from ralikit.photo.degrade import (
    CLASSES,
    NO_DEGRADATION,
    SEVERITIES,
    Degradation,
    bound_pixels,
    degrade,
    draw_degradation,
)
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
        rows += _degradation_rows(recipe.degradation, recipe.degradation_prompt)
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


def _degradation_rows(spec: DegradationSpec, prompt: str) -> list[dict[str, Any]]:
    common = {
        "prompt": get_prompt(prompt).messages(),
        "task": "degradation",
        "mos": 0.0,  # not read: the score reward does not apply to this task
        "dataset": DEGRADED,
    }
    if spec.labels is not None:
        return [
            {
                **common,
                "photo": str(photo),
                "kind": what.kind,
                "severity": what.severity,
                "draw": -1,
            }
            for photo, what in _degraded_already(spec.labels, spec.photos)
        ]
    photos = list_photos(spec.photos)
    rows = []
    for draw in range(spec.count or len(photos)):
        what = draw_degradation(spec.seed, draw, clean_share=spec.clean_share)
        photo = str(photos[draw % len(photos)])
        rows.append(
            {**common, "photo": photo, "kind": what.kind, "severity": what.severity, "draw": draw}
        )
    return rows


def _degraded_already(labels: Path, root: Path) -> list[tuple[Path, Degradation]]:
    """The photos of Q-Insight's ``train_dist.json``, with what they suffer from."""
    entries = read_json(labels)
    if not isinstance(entries, list) or not entries:
        raise DataError(f"{labels} is not a JSON list of photos with their distortion_class")
    found = [_degraded_entry(entry, f"{labels}, entry {i}") for i, entry in enumerate(entries, 1)]
    missing = [name for name, _ in found if not (root / name).is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(found)} images of {labels} are missing, the first is "
            f"{root / missing[0]}; degradation.photos is the folder that their names start from"
        )
    return [(root / name, what) for name, what in found]


def _degraded_entry(entry: Any, where: str) -> tuple[str, Degradation]:
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise DataError(f"{where} names no image")
    kind, severity = (
        NO_DEGRADATION if entry.get(key) is None else str(entry[key]).strip().lower()
        for key in ("distortion_class", "severity")
    )
    clean = (kind, severity) == (NO_DEGRADATION, NO_DEGRADATION)
    if not clean and (kind not in CLASSES or severity not in SEVERITIES):
        raise DataError(
            f"{where}: distortion_class is one of {', '.join(CLASSES)} and severity one of "
            f"{', '.join(SEVERITIES)}, or both are null; not {kind!r} and {severity!r}"
        )
    return entry["image"], Degradation(kind, severity)
