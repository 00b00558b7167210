"""`ralikit train plan`: how much memory a recipe takes, before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ralikit.train.plan.plan import Plan

_GIB = 2**30


def register(app: typer.Typer) -> None:
    """Add the command to `ralikit train`."""
    app.command("plan")(plan)


def plan(
    recipe: Annotated[Path, typer.Argument(help="Recipe (.toml) of a teacher or of RALI.")],
    card: Annotated[
        str, typer.Option(help="Memory of one GPU, GB; several with commas.")
    ] = "24,40,80",
    gpus: Annotated[int, typer.Option(help="GPUs that train together.", min=1)] = 1,
    spread: Annotated[
        str | None,
        typer.Option(
            metavar="copies|sharded",
            help="Everything on each GPU (DDP), or divided (FSDP, ZeRO-3). Default: divided where "
            "a teacher trains whole on several GPUs.",
        ),
    ] = None,
    photo: Annotated[
        str, typer.Option(help="Size of the photos a teacher sees, pixels.")
    ] = "1024x768",
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting.", metavar="KEY=VALUE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Work out what a recipe takes of a GPU's memory: computed, not measured."""
    from ralikit.cli.progress import progress
    from ralikit.cli.train import read_recipe_values
    from ralikit.extras import require
    from ralikit.train.plan.memory import Machine
    from ralikit.train.plan.plan import plan as planned
    from ralikit.train.plan.teacher import Photo

    require("torch", extra="train", job="Planning")
    values = read_recipe_values(recipe, changes)
    if spread is None:
        whole = "tower" not in values and "lora" not in values
        spread = "sharded" if gpus > 1 and whole else "copies"
    (width, height), cards, found = _pair(photo), _cards(card), []
    with progress() as tell:
        for number, size in enumerate(cards):
            tell("trying what fits", number / len(cards))
            machine = Machine(card=size, gpus=gpus, spread=spread)
            pictures = Photo(width=width, height=height)
            found.append(planned(values, machine, photo=pictures, where=str(recipe)))
    typer.echo(json.dumps([p.plain() for p in found]) if as_json else _table(found))


def _cards(text: str) -> list[float]:
    from ralikit.errors import UsageError

    try:
        return [float(size) for size in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--card takes GB such as 80 or 24,40,80, not {text!r}") from error


def _pair(text: str) -> tuple[int, int]:
    from ralikit.errors import UsageError

    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--photo takes WIDTHxHEIGHT such as 1024x768, not {text!r}")
    return int(width), int(height)


def _table(plans: list[Plan]) -> str:
    """The stages once where no card changes them, then a line a card."""
    from ralikit.train.plan.memory import LABEL

    lines = [f"{LABEL}; GiB of one GPU"]
    first = plans[0]
    for stage in first.stages:
        lines += ["", f"{stage.bytes / _GIB:8.1f}  {stage.name}, with what is set aside"]
        lines += [f"{p.bytes / _GIB:8.1f}    {p.name}: {p.how}" for p in stage.parts]
    lines.append("")
    return "\n".join(lines + [_verdict(p) for p in plans])


def _verdict(found: Plan) -> str:
    size = f"{found.machine.card:g} GB, {found.machine.gpus} GPU"
    size += "s" if found.machine.gpus > 1 else ""
    most = max(stage.bytes for stage in found.stages) / _GIB
    if found.fits:
        return f"{size}: fits, {most:.1f} GiB"
    problems = [stage.problem for stage in found.stages if stage.problem]
    why = problems[0] if problems else f"{most:.1f} GiB are needed"
    if not found.ways:
        return f"{size}: does not fit: {why}; nothing that was tried makes it fit"
    ways = [f"    {' and '.join(way)}" for way in found.ways]
    return "\n".join([f"{size}: does not fit: {why}; it fits with", *ways])
