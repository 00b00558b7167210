"""`ralikit demo`: see the scorer in an app; the web page is built and served from here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

demo = typer.Typer(
    name="demo", help="Try the scorer in a demo app.", no_args_is_help=True, add_completion=False
)


def register(app: typer.Typer) -> None:
    """Add the group `demo` to the command line."""
    app.add_typer(demo)


@demo.callback()
def _group() -> None:
    """Try the scorer in a demo app."""


@demo.command()
def web(
    model: Annotated[
        Path | None,
        typer.Option(
            help="Exported .onnx file, or a bundle folder that holds one; default: the bundled "
            "model.",
            metavar="FILE|BUNDLE",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this computer; 0 takes a free one.")
    ] = 8765,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep the page in this folder, to put it on a static host."),
    ] = None,
    ort: Annotated[
        Path | None,
        typer.Option(
            help="onnxruntime-web's dist folder; default: fetched once through npm.", metavar="DIR"
        ),
    ] = None,
    serve: Annotated[bool, typer.Option(help="Serve it on localhost, until Ctrl-C.")] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing --out folder.")] = False,
) -> None:
    """Build the page that scores photos in a browser, and serve it on this computer alone."""
    import tempfile

    from ralikit import demo as page
    from ralikit.cli.progress import progress
    from ralikit.errors import UsageError

    if out is None and not serve:
        raise UsageError("--no-serve keeps nothing without --out DIR")
    file = page.model_file(model)
    with tempfile.TemporaryDirectory(prefix="ralikit-demo-") as temporary:
        folder = out or Path(temporary) / "page"
        with progress() as tell:
            tell("fetching ONNX Runtime Web through npm", 0.0)
            found = page.find_ort(ort)
            tell("building the page", 0.0)
            page.build(folder, model=file, ort=found, overwrite=overwrite)
        if out is not None:
            typer.echo(f"built {out}: serve this folder from any static host")
        if not serve:
            return
        with page.serving(folder, port) as server:
            typer.echo(f"open http://localhost:{server.server_port}/ (Ctrl-C ends it)")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                typer.echo("stopped")
