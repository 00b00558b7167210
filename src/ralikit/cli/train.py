"""`ralikit train`: one sub-command a system; other files register theirs into the same group."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import typer

from ralikit.errors import UsageError

# Each has `register(train_app)`; they import nothing heavy at their top.
_PARTS = ("teacher", "train_rali", "train_reasons", "train_distil", "train_ablate", "train_plan")

train_app = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `train` to the command line."""
    for part in _PARTS:
        if importlib.util.find_spec(f"ralikit.cli.{part}") is not None:
            importlib.import_module(f"ralikit.cli.{part}").register(train_app)
    app.add_typer(train_app, name="train", help="Train teachers and scorers from recipes.")


@train_app.callback()
def _group() -> None:
    """Train teachers and scorers from recipes."""


def read_recipe_values(recipe: Path, changes: list[str] | None) -> dict[str, Any]:
    """A recipe's plain values with `--set` changes put in.

    Args:
        recipe: A TOML file.
        changes: ``key=value`` each; dots go into tables, the value is TOML or a bare word.

    Raises:
        UsageError: If a change is no ``key=value`` or goes into something that is no table.
    """
    from ralikit.config import read_toml

    return changed(read_toml(recipe), changes)


def changed(values: dict[str, Any], changes: list[str] | None) -> dict[str, Any]:
    """Plain values with `--set` changes put in, in place; errors as in `read_recipe_values`."""
    import tomllib

    for change in changes or []:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set takes key=value such as grpo.max_steps=10, not {change!r}")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        *tables, name = key.strip().split(".")
        inner = values
        for table in tables:
            inner = inner.setdefault(table, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--set {key}: {table} is no table of settings")
        inner[name] = value
    return values
