"""`ralikit train distil`: a big scorer into a small one, on one's own unlabelled photos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.typed import typed

if TYPE_CHECKING:
    from ralikit.model.bundle import Bundle
    from ralikit.train.distil.judge import WithTeacher


def register(app: typer.Typer) -> None:
    """Add the command to `ralikit train`."""
    app.command()(distil)


def distil(
    teacher: Annotated[
        str, typer.Argument(help="The big scorer: a bundle folder, or a bundled model's name.")
    ],
    photos: Annotated[
        Path, typer.Option(help="Folder of photos; they need no labels.", metavar="DIR")
    ],
    recipe: Annotated[Path, typer.Option(help="Recipe (.toml), e.g. train/distil.toml.")],
    out: Annotated[
        Path | None, typer.Option(help="The run's folder; default: runs/RECIPE.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: distil.epochs=2 …", metavar="KEY=VALUE"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the run's checkpoint.")
    ] = True,
) -> None:
    """Train a small tower to say what a big one says: embeddings, scores and order.

    The small bundle keeps the teacher's scale, basis, reasons and licence (docs/distil.md).
    """
    from ralikit.extras import require

    require("torch", extra="train", job="Training")
    from ralikit.cli.output import print_error
    from ralikit.cli.progress import progress
    from ralikit.cli.train import read_recipe_values
    from ralikit.config import from_mapping
    from ralikit.photo.find import find_photos
    from ralikit.train.distil.recipe import DistilRecipe
    from ralikit.train.distil.run import distil as work

    read = from_mapping(DistilRecipe, read_recipe_values(recipe, changes), where=str(recipe))
    big = _teacher(teacher)
    found = find_photos([str(photos)], on_skip=print_error)
    with progress() as tell:
        made = work(big, found, read, out or Path("runs") / recipe.stem, resume=resume, tell=tell)
    print_agreement(made.agreement)
    typer.echo(
        f"bundle: {made.bundle.root}\n"
        f"next: {typed('ralikit')} export {made.bundle.root} --target onnx, or with people's "
        f"scores: {typed('ralikit')} eval {made.bundle.root} --meta FILE --root DIR"
    )


def print_agreement(found: WithTeacher) -> None:
    """A line a figure, each with its interval."""
    typer.echo(
        f"with the teacher, on {found.photos} photos kept out and {found.copies} degraded copies:"
    )
    lines = {
        "SRCC of scores": found.srcc,
        "PLCC of scores": found.plcc,
        "mean difference": found.error,
        "cosine of embeddings": found.cosine,
        "the same, mean off": found.centred_cosine,
        f"order kept, {found.told_apart} pairs": found.order,
        "first reason alike": found.first_reason,
    }
    for name, value in lines.items():
        if value is not None:
            typer.echo(f"  {name:<26} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]")


def _teacher(ref: str) -> Bundle:
    from ralikit.errors import UsageError
    from ralikit.model.bundle import read_bundle
    from ralikit.models import resolve

    model = resolve(ref)
    if model.kind != "bundle":
        raise UsageError(
            f"{ref} is no bundle: a teacher is one, since an exported file keeps no tower to "
            "compare with and no read-out"
        )
    return read_bundle(model.path)
