"""`ralikit quickstart`: the whole product once, on photos that are already here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ralikit.typed import typed


def register(app: typer.Typer) -> None:
    """Add `quickstart` to the command line."""
    app.command()(quickstart)


def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for files and report.")] = Path(
        "ralikit-quickstart"
    ),
) -> None:
    """Score photos, export to ONNX, TFLite and Core ML in int8, verify, time, write a report."""
    import time

    from ralikit.cli.progress import progress
    from ralikit.models import bundled
    from ralikit.quickstart import quickstart as run

    start = time.monotonic()
    with progress() as tell:
        report = run(out, bundled(), tell=tell, say=typer.echo)
    typer.echo(f"done in {time.monotonic() - start:.0f} s\nreport: {report.resolve()}")
    typer.echo(f"next: {typed('ralikit')} score YOUR_PHOTO.jpg")
