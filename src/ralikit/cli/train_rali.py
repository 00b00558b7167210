"""`ralikit train align | fit | rali`: the stages of a RALI scorer, alone or in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.typed import typed

if TYPE_CHECKING:
    from ralikit.train.rali.recipe import RaliRecipe
    from ralikit.train.rali.run import Run

Recipe = Annotated[Path, typer.Option(help="Recipe (.toml).")]
Out = Annotated[Path | None, typer.Option(help="The run's folder; default: runs/RECIPE.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change a setting: align.seed=1, data_root=DIR …", metavar="KEY=VALUE"
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on from the run's checkpoint.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `ralikit train`."""
    app.command()(align)
    app.command()(fit)
    app.command()(rali)


def align(recipe: Recipe, out: Out = None, changes: Set = None, resume: Resume = True) -> None:
    """Align the image tower to its frozen quality texts."""
    stages = _stages()

    def work(run: Run) -> None:
        stages.align(run, resume=resume)

    run = _run(recipe, out, changes, work, fits=None)
    if run.world.first:
        typer.echo(f"tower: {run.out / stages.TOWER}")
        typer.echo(f"next: {typed('ralikit')} train fit --recipe {recipe}")


def fit(recipe: Recipe, out: Out = None, changes: Set = None) -> None:
    """Fit PCA, basis and scores on an aligned tower, and write the bundle."""
    stages = _stages()

    def work(run: Run) -> None:
        stages.move_tower(run)
        if run.world.first:
            stages.fit(run)

    _end(_run(recipe, out, changes, work))


def rali(recipe: Recipe, out: Out = None, changes: Set = None, resume: Resume = True) -> None:
    """Describe (if the recipe brings no texts), align, fit: from photos and scores to a bundle."""
    stages = _stages()

    def work(run: Run) -> None:
        stages.align(run, resume=resume)
        stages.move_tower(run)
        if run.world.first:
            stages.fit(run)

    _end(_run(recipe, out, changes, work))


def _stages() -> ModuleType:
    # Before anything else is imported: whoever lacks torch is told which extra brings it.
    from ralikit.extras import require

    require("torch", extra="train", job="Training")
    from ralikit.train.rali import stages

    return stages


def _run(
    path: Path,
    out: Path | None,
    changes: list[str] | None,
    work: Callable[[Run], None],
    *,
    fits: bool | None = True,
) -> Run:
    from ralikit.cli.progress import progress
    from ralikit.train.rali.run import open_run
    from ralikit.train.world import leave

    recipe = read_recipe(path, changes)
    if fits is None:  # aligning alone: a fit follows unless the objective leaves none
        fits = recipe.align.objective != "regression"
    with progress() as tell:
        run = open_run(recipe, out or Path("runs") / path.stem, fits=fits, tell=tell)
        work(run)
    leave()
    return run


def read_recipe(path: Path, changes: list[str] | None) -> RaliRecipe:
    """A recipe file with `--set` changes, its data chosen.

    Raises:
        UsageError: If it is no recipe, or a setting is unknown or out of range.
    """
    from ralikit.cli.train import read_recipe_values
    from ralikit.config import from_mapping
    from ralikit.train.rali.recipe import RaliRecipe

    values = read_recipe_values(path, changes)
    return from_mapping(RaliRecipe, values, where=str(path)).chosen()


def _end(run: Run) -> None:
    stages = _stages()
    from ralikit.train.rali.held_out import VALIDATION

    if not run.world.first:
        return
    bundle = run.out / stages.BUNDLE
    figures = run.out / VALIDATION
    if figures.is_file():
        typer.echo(f"on the photos kept out: {figures.read_text(encoding='utf-8').strip()}")
    typer.echo(f"bundle: {bundle}\nnext: {typed('ralikit')} eval {bundle} --meta FILE --root DIR")
