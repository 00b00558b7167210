"""`ralikit export-preprocess`: the way from pixels to views as an ONNX graph of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `export-preprocess` to the command line."""
    app.command("export-preprocess")(export_preprocess)


def export_preprocess(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle folder; default: the bundled model.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the file.")] = Path(),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write the resize and crops as an ONNX graph, for servers that have no ralikit.

    It takes the upright sRGB pixels of one photo and gives what the scorer's file takes.
    """
    from ralikit.cli.progress import progress
    from ralikit.config import to_mapping
    from ralikit.extras import require
    from ralikit.files import to_json
    from ralikit.models import open_bundle

    require("onnx", extra="export", job="Export to ONNX")
    from ralikit.export.targets.onnx.preprocess import export_preprocess as run

    with progress() as tell:
        tell("converting, comparing pixels", 0.0)
        done = run(open_bundle(bundle), out, overwrite=overwrite)
    if as_json:
        sys.stdout.write(to_json(to_mapping(done)))
        return
    typer.echo(
        f"{done.path}  {done.size / 1e3:.0f} kB\n"
        f"  {done.photos} photos against ralikit's own views: largest difference "
        f"{done.max_levels} levels of 255, {done.share:.4%} of the values differ\n"
        "  input photo, uint8 (height, width, 3), upright, sRGB; output image, the scorer's input"
    )
