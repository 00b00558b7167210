"""`ralikit score` and `ralikit rank`."""

from __future__ import annotations

import typer

from ralikit.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(score)


def score(photos: list[str]) -> None:
    """Score photos."""
    raise UsageError("score is not finished yet")
