"""Train a teacher: Q-Insight or VisualQuality-R1, from a recipe to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ralikit import __version__
from ralikit.config import from_mapping, read_toml, to_mapping
from ralikit.errors import UsageError
from ralikit.extras import require
from ralikit.files import read_json, to_json, write_text
from ralikit.train.teacher.data import teacher_rows
from ralikit.train.teacher.recipe import TeacherRecipe
from ralikit.train.teacher.vlm import is_hub_name, resolve_model

__all__ = ["begin_run", "check_recipe", "difference", "hold_run", "read_recipe", "train_teacher"]


def read_recipe(path: Path) -> TeacherRecipe:
    """Read a teacher's recipe.

    Raises:
        UsageError: On an unknown key, a wrong type or a value out of range.
    """
    return from_mapping(TeacherRecipe, read_toml(path), where=str(path))


def train_teacher(recipe: TeacherRecipe, out: Path, *, resume: bool = False) -> Path:
    """Train a teacher; in one process, or in many that torchrun or accelerate started.

    ``out`` gets ``recipe.json`` (every setting), ``metrics.jsonl``, ``checkpoints/`` and, at the
    end, ``model/``: an ordinary Qwen2.5-VL folder.

    Args:
        recipe: What to train.
        out: Its folder.
        resume: Go on from the last whole checkpoint of the same recipe; from the start where
            there is none.

    Returns:
        The model folder.

    Raises:
        UsageError: If `out` holds a run already and `resume` is not set, or its recipe differs.
        DataError: If labels, photos or the model cannot be read.
        TrainingError: If the loss is not finite, or the disk or the GPU is full.
    """
    for module in ("torch", "trl", "datasets", "peft"):
        require(module, extra="teacher", job="Training a teacher")
    from ralikit.train.teacher import checkpoints, grpo, trainer_tools

    stated, model = to_mapping(recipe), out / "model"
    hold_run(out, stated, resume=resume)
    if model.is_dir():
        return model
    rows = check_recipe(recipe)
    begin_run(out, stated, resume=resume)
    with checkpoints.clear_errors(out), checkpoints.old_names_allowed():
        trainer = grpo.build_trainer(recipe, rows, out)
        checkpoint = checkpoints.resume_point(out)
        trainer.train(resume_from_checkpoint=checkpoint)
        trainer_tools.publish_model(
            trainer,
            model,
            base=recipe.model,
            lora=recipe.lora is not None,
            prompt=recipe.score_prompt,
            method=recipe.method,
            max_pixels=recipe.grpo.max_pixels,
        )
    return model


def check_recipe(recipe: TeacherRecipe) -> list[dict[str, Any]]:
    """Look at all that a recipe names, before any work: labels, photos, and the model's folder.

    Returns:
        The rows to train on (`teacher_rows`).

    Raises:
        DataError: If labels cannot be read or a photo is missing.
        UsageError: If there is no such model folder.
    """
    rows = teacher_rows(recipe)
    if not is_hub_name(recipe.model):
        resolve_model(recipe.model)
    return rows


def hold_run(out: Path, recipe: dict[str, Any], *, resume: bool) -> bool:
    """Hold a recipe against the one of the run that the folder has, if it has one.

    Returns:
        Whether a run has begun there.

    Raises:
        UsageError: If there is a run already and `resume` is not set, or of another recipe.
    """
    place = out / "recipe.json"
    stated = {"ralikit": __version__, **recipe}
    # Nothing is lost where only the settings were written: a missing photo or model stopped it.
    begun = any((out / name).exists() for name in ("model", "checkpoints", "metrics.jsonl"))
    if place.exists() and begun:
        found = read_json(place)
        if not resume:
            raise UsageError(f"{out} holds a run already; pass --resume to go on, or another --out")
        changed = difference(found, stated)
        if changed:
            raise UsageError(
                f"{out} was begun with another recipe ({', '.join(changed)} differ); put the "
                "settings back, or name another --out"
            )
    return begun


def begin_run(out: Path, recipe: dict[str, Any], *, resume: bool) -> None:
    """Write the resolved recipe beside what it will produce, or hold it against the one there.

    Raises:
        UsageError: As `hold_run`.
        RalikitError: If the folder cannot be written.
    """
    from ralikit.train.teacher.trainer_tools import is_main, wait_for_all

    begun = hold_run(out, recipe, resume=resume)
    wait_for_all()  # nobody writes before everybody has looked
    if is_main() and not begun:
        write_text(out / "recipe.json", to_json({"ralikit": __version__, **recipe}))
    wait_for_all()


def difference(old: Any, new: Any, where: str = "") -> list[str]:
    """Names of the settings that differ; how a run is spread over machines may change."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted({*old, *new} - {"runtime", "ralikit", "expected", "launch"})
        return [
            d
            for name in names
            for d in difference(old.get(name), new.get(name), f"{where}.{name}".lstrip("."))
        ]
    return [] if old == new else [where]
