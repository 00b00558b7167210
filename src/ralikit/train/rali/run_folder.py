"""What a run's folder says of itself: the recipe that began it, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ralikit.config import from_mapping, to_mapping
from ralikit.errors import RalikitError, TrainingError
from ralikit.files import read_json, sha256_bytes, to_json
from ralikit.train.rali.align import CHECKPOINT
from ralikit.train.rali.align_settings import MACHINE, align_mapping
from ralikit.train.rali.metrics_log import METRICS
from ralikit.train.rali.recipe import RaliRecipe

RECIPE = "recipe.json"
TEXTS = "texts.jsonl"
ALIGNED = "aligned.json"

_TEXT_PARTS = ("data", "scales", "texts")
_ALIGN_PARTS = (*_TEXT_PARTS, "tower", "preprocess", "align", "validation")


def settings_text(recipe: RaliRecipe) -> str:
    """A recipe as its run's folder keeps it.

    What `expected` says changes nothing that is trained, and a bank is fitted on what was.
    """
    plain = to_mapping(recipe)
    return to_json({k: v for k, v in plain.items() if k not in ("expected", "reasons")})


def align_key(recipe: RaliRecipe) -> str:
    """Hash of all that an alignment depends on."""
    parts = {**_parts(recipe, _ALIGN_PARTS), "align": align_mapping(recipe.align)}
    return sha256_bytes(to_json(parts, indent=None).encode())


def is_aligned(recipe: RaliRecipe, out: Path) -> bool:
    """Whether a folder holds this recipe's finished alignment."""
    done = out / ALIGNED
    return done.is_file() and bool(read_json(done).get("key") == align_key(recipe))


def hold_recipe(recipe: RaliRecipe, out: Path) -> None:
    """Hold a recipe against the one that began the folder.

    What the fit and the bundle are told may differ: they are made anew on the same alignment. So
    may everything while nothing has been trained; texts that rules wrote for other photos or in
    other words are then removed.

    Raises:
        TrainingError: If the folder holds a training with other settings.
    """
    path = out / RECIPE
    if not path.is_file():
        return
    try:
        former = from_mapping(RaliRecipe, read_json(path), where=str(path))
    except RalikitError as error:
        raise TrainingError(f"{path} is no recipe ({error}); use another folder") from error
    changed = _differing(_held(former), _held(recipe))
    if not changed:
        return
    if is_begun(out):
        raise TrainingError(
            f"{out} holds a run of other settings ({', '.join(changed)} differ); use another folder"
        )
    if _parts(former, _TEXT_PARTS) != _parts(recipe, _TEXT_PARTS):
        (out / TEXTS).unlink(missing_ok=True)


def is_begun(out: Path) -> bool:
    """Whether anything has been trained in a folder."""
    metrics = out / METRICS
    steps = metrics.is_file() and metrics.stat().st_size > 0
    return steps or (out / CHECKPOINT).is_file() or (out / ALIGNED).is_file()


def _parts(recipe: RaliRecipe, names: tuple[str, ...]) -> dict[str, Any]:
    plain = to_mapping(recipe)
    return {name: plain[name] for name in names}


def _held(recipe: RaliRecipe) -> dict[str, Any]:
    parts = _parts(recipe, _ALIGN_PARTS)
    parts["align"] = {k: v for k, v in parts["align"].items() if k not in MACHINE}
    return parts


def _differing(old: Any, new: Any, where: str = "") -> list[str]:
    """Names of the settings that differ, tables looked into."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [where]
    names = sorted({*old, *new})
    each = [_differing(old.get(n), new.get(n), f"{where}.{n}".lstrip(".")) for n in names]
    return [name for found in each for name in found]
