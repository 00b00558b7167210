"""`ralikit import`: weights that others published, as bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ralikit.errors import UsageError
from ralikit.typed import typed

_import = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `import` to the command line."""
    app.add_typer(_import, name="import", help="Turn published weights into bundles.")


@_import.callback()
def _group() -> None:
    """Turn published weights into bundles."""


@_import.command()
def rali(
    checkpoints: Annotated[
        Path | None, typer.Argument(help="Folder with ckpt.pt, pca.pkl and best/.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(help="Bundle folder to write.")] = None,
    from_hub: Annotated[
        Path | None, typer.Option(help="Fetch the release instead, and write the bundle here.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Ends of the score scale, LOW,HIGH.")] = "1,5",
    half: Annotated[bool, typer.Option("--half", help="Store 16-bit weights.")] = False,
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "rali",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Read the authors' released RALI checkpoint; the bundle gives the same scores.

    Nothing in its files is run: ckpt.pt is read as tensors, pca.pkl as numbers.
    """
    from ralikit.cli.progress import progress
    from ralikit.files import refuse_existing, size_bytes
    from ralikit.importers.rali import fetch_release, import_rali

    if from_hub is not None:
        if checkpoints is not None:
            raise UsageError("pass either CHECKPOINTS OUT or --from-hub OUT")
        # Before gigabytes are fetched for nothing.
        refuse_existing(from_hub, overwrite=overwrite)
        out = from_hub
    elif checkpoints is None or out is None:
        raise UsageError("pass the release's folder and the bundle to write: CHECKPOINTS OUT")
    try:
        low, high = (float(part) for part in scale.split(","))
    except ValueError as error:
        raise UsageError(f"--scale takes LOW,HIGH such as 1,5, not {scale!r}") from error
    with progress() as tell:
        if checkpoints is None:
            tell("fetching the release", 0.0)
            checkpoints = fetch_release()
        tell("reading the release, writing the bundle", 0.0)
        bundle = import_rali(
            checkpoints, out, scale=(low, high), half=half, name=name, overwrite=overwrite
        )
    typer.echo(f"{out}: {size_bytes(out) / 1e6:.0f} MB, bundle {bundle.hash[:12]}")
    typer.echo(f"next: {typed('ralikit')} score PHOTO --model {out}")
