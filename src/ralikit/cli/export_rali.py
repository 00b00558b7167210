"""`ralikit export-rali`: a bundle as the authors' scripts read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ralikit.typed import typed


def register(app: typer.Typer) -> None:
    """Add `export-rali` to the command line."""
    app.command(name="export-rali")(export_rali)


def export_rali(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder of a CLIP tower.")],
    out: Annotated[Path, typer.Argument(help="Folder for ckpt.pt, pca.pkl, basis.npz and best/.")],
    clip: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the CLIP that training started from, for its text tower and tokenizer.",
            metavar="DIR",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Write a bundle in the layout of the authors' RALI release; the scores stay the same."""
    from ralikit.cli.progress import progress
    from ralikit.files import size_bytes
    from ralikit.importers.rali_layout import export_rali as write
    from ralikit.models import open_bundle

    with progress() as tell:
        tell("writing the authors' layout", 0.0)
        opened = open_bundle(bundle)
        write(opened, out, clip=clip, overwrite=overwrite)
    typer.echo(f"{out}: {size_bytes(out) / 1e6:.0f} MB")
    if clip is None:
        typer.echo(
            "without a text tower: scores need none, but the authors' script loads a whole CLIP; "
            "--clip DIR adds it"
        )
    if opened.info.reasons is not None:
        typer.echo("the bank of reasons has no place in this layout and is left out")
    typer.echo(f"next: {typed('ralikit')} import rali {out} BUNDLE")
