"""`ralikit train ablate`: a grid of variants, one table."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to `ralikit train`."""
    app.command()(ablate)


def ablate(
    grid: Annotated[Path, typer.Option(help="Grid (.toml), e.g. train/ablations.toml.")],
    out: Annotated[Path, typer.Option(help="Folder of the grid's own runs.")] = Path(
        "runs/ablations"
    ),
    base: Annotated[
        Path | None, typer.Option(help="A finished run of the recipe; its alignment is used.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle whose aligned tower is used instead.")
    ] = None,
    row: Annotated[
        list[str] | None, typer.Option(help="Run the first row and this one; repeat for more.")
    ] = None,
    resamples: Annotated[
        int | None, typer.Option(min=1, help="Bootstrap resamples; none: the grid's.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Markdown table to write; its JSON goes beside it.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: KEY=VALUE.")
    ] = None,
) -> None:
    """Run ablations and print their table, differences by paired bootstrap, ties called ties."""
    from ralikit.cli.progress import progress
    from ralikit.cli.train_rali import read_recipe
    from ralikit.config import from_mapping, read_toml
    from ralikit.extras import require
    from ralikit.files import to_json, write_text
    from ralikit.models import open_bundle

    require("torch", extra="train", job="Training")
    from ralikit.train.rali import ablation
    from ralikit.train.rali.ablation_grid import AblationGrid

    plan = from_mapping(AblationGrid, read_toml(grid), where=str(grid))
    if row:
        plan = plan.pick(row)
    if resamples is not None:
        plan = replace(plan, resamples=resamples)
    recipe = read_recipe(grid.parent / plan.recipe, changes)
    plan = plan.for_recipe(recipe)
    with progress() as tell:
        given = open_bundle(bundle) if bundle is not None else None
        outcomes = ablation.run_grid(plan, recipe, out, base=base, bundle=given, tell=tell)
    command = shlex.join(["ralikit", *sys.argv[1:]])
    text = ablation.markdown(outcomes, command=command, resamples=plan.resamples)
    if table is not None:
        write_text(table, text)
        figures = {"command": command, "rows": ablation.figures(outcomes)}
        write_text(table.with_suffix(".json"), to_json(figures))
    typer.echo(text)
