"""`ralikit train teacher | ract | sft`: the reasoning models that RALI learns from."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ralikit.typed import typed

Recipe = Annotated[Path, typer.Option(help="The recipe, a TOML file; see the folder train/.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. grpo.max_steps=10."),
]


def register(train_app: typer.Typer) -> None:
    """Add the commands to `ralikit train`."""
    train_app.command()(teacher)
    train_app.command()(ract)
    train_app.command()(sft)


def teacher(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, metrics and the model.")],
    changes: Changes = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last whole checkpoint.")
    ] = False,
) -> None:
    """Train a Q-Insight or a VisualQuality-R1 with GRPO.

    On several GPUs: torchrun --nproc_per_node 8 -m ralikit train teacher …, or accelerate launch
    --config_file train/launch/fsdp.yaml -m ralikit train teacher …
    """
    from ralikit.cli.train import read_recipe_values
    from ralikit.config import from_mapping
    from ralikit.train.teacher.recipe import TeacherRecipe
    from ralikit.train.teacher.train import train_teacher

    values = read_recipe_values(recipe, changes)
    settings = from_mapping(TeacherRecipe, values, where=str(recipe))
    with _watched():
        model = train_teacher(settings, out, resume=resume)
    from ralikit.train.world import leave  # torch is known to be there by now

    leave()
    if _first():
        typer.echo(f"teacher: {model}")
        typer.echo(f"metrics: {out / 'metrics.jsonl'}")
        typer.echo(
            f"next:    {typed('ralikit')} describe {model} --meta LABELS --root PHOTOS "
            "--out texts.jsonl"
        )


def ract(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(help="Folder of all stages; a stopped run goes on.")],
    changes: Changes = None,
    launch: Annotated[
        str,
        typer.Option(help="Launcher of each stage, e.g. 'torchrun --nproc_per_node 8'."),
    ] = "",
) -> None:
    """Train a RACT: RL on each dataset, texts of each, then SFT of one model on all of them."""
    from ralikit.cli.train import read_recipe_values
    from ralikit.config import from_mapping
    from ralikit.train.ract import RactRecipe, run_ract

    settings = from_mapping(RactRecipe, read_recipe_values(recipe, changes), where=str(recipe))
    # Launched stages speak for themselves; what runs in this process is told here.
    with nullcontext() if launch else _watched():
        model = run_ract(settings, out, launch=shlex.split(launch), say=typer.echo)
    typer.echo(f"teacher: {model}")
    typer.echo(f"next:    {typed('ralikit')} eval {model} --meta LABELS --root PHOTOS")


def sft(
    recipe: Recipe,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, metrics and the model.")],
    changes: Changes = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last whole checkpoint.")
    ] = False,
) -> None:
    """Fine-tune a vision-language model on scores or on quality texts, without reinforcement.

    On several GPUs as `ralikit train teacher`.
    """
    from ralikit.cli.train import read_recipe_values
    from ralikit.config import from_mapping
    from ralikit.train.teacher.sft import SftRecipe, run_sft

    settings = from_mapping(SftRecipe, read_recipe_values(recipe, changes), where=str(recipe))
    with _watched():
        model = run_sft(settings, out, resume=resume)
    from ralikit.train.world import leave

    leave()
    if _first():
        typer.echo(f"teacher: {model}")
        typer.echo(f"next:    {typed('ralikit')} eval {model} --meta LABELS --root PHOTOS")


@contextmanager
def _watched() -> Iterator[None]:
    """Show how far the training inside is, by the first process alone."""
    from ralikit.cli.progress import progress
    from ralikit.progress import telling

    if not _first():
        yield
        return
    with progress() as tell, telling(tell):
        tell("loading the model", 0.0)
        yield


def _first() -> bool:
    """Whether this is the process that prints; launchers number theirs."""
    return os.environ.get("RANK", "0") == "0"
