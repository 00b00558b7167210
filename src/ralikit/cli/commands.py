"""All commands, each group from its own file."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
    "export_rali",
    "demo",
    "import_",
)


class _Commands(TyperGroup):
    """Helps that show no type on a flag, which takes no value, and arguments in capitals."""

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        _untype(params)
        return params

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _untype_flags(command, ctx)
        return command


def _untype_flags(command: Any, ctx: Any) -> None:
    _untype([*command.params, command.get_help_option(ctx)])
    for below in getattr(command, "commands", {}).values():
        _untype_flags(below, ctx)


def _untype(params: Any) -> None:
    for option in params:
        if option.metavar is not None:
            continue
        if getattr(option, "is_flag", False):
            option.metavar = ""
        elif option.param_type_name == "argument":
            option.metavar = option.name.upper()


app = typer.Typer(
    name="ralikit",
    cls=_Commands,
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
