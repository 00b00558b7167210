"""`ralikit doctor`."""

from __future__ import annotations

import typer

from ralikit.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


def doctor() -> None:
    """Say what is installed and what each extra would add."""
    raise UsageError("doctor is not finished yet")
