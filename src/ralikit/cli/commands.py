"""All commands, each group from its own file."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from ralikit import __version__

# One file per command group; each has `register(app)`. They import nothing heavy at their top.
_GROUPS = (
    "score",
    "best",
    "explain",
    "doctor",
    "data",
    "bench",
    "report",
    "quickstart",
    "eval",
    "describe",
    "train",
    "analyze",
    "export",
    "export_preprocess",
    "demo",
    "import_",
)

app = typer.Typer(
    name="ralikit",
    help="Score image quality, train the scorer, and export it to phones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ralikit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for _group in _GROUPS:
    importlib.import_module(f"ralikit.cli.{_group}").register(app)
