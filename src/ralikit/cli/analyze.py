"""`ralikit analyze`: look into trained models; other files register theirs into the same group."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Annotated

import typer

# Each has `register(analyze_app)`; they import nothing heavy at their top.
_PARTS = ("analyze_tsne", "analyze_teachers")

analyze_app = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `analyze` to the command line."""
    for part in _PARTS:
        if importlib.util.find_spec(f"ralikit.cli.{part}") is not None:
            importlib.import_module(f"ralikit.cli.{part}").register(analyze_app)
    app.add_typer(analyze_app, name="analyze", help="Look into trained models.")


@analyze_app.callback()
def _group() -> None:
    """Look into trained models."""


@analyze_app.command()
def attention(
    model: Annotated[str, typer.Argument(help="A teacher: folder or hub name.")],
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them.")],
    out: Annotated[Path | None, typer.Option(help="Draw the shares into this PNG.")] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="score or visualquality; none: what the teacher was trained with."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Bound on an answer.")] = 512,
    max_pixels: Annotated[
        int | None, typer.Option(help="Larger photos are reduced to so many pixels.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the shares as JSON.")] = False,
) -> None:
    """Measure what a teacher's score token looks at: its reasoning or the photo (RALI, Figure 3).

    Photos whose answer has no reasoning and rating are told and left out; exit 1 if none is left.
    """
    from ralikit.analyze.attention import attention_shares, plot_shares
    from ralikit.cli.progress import progress
    from ralikit.config import to_mapping
    from ralikit.errors import PhotoError
    from ralikit.files import to_json
    from ralikit.train.teacher.photos import list_photos
    from ralikit.train.teacher.prompts import get_prompt
    from ralikit.train.teacher.vlm import load_vlm, taught_pixels, taught_prompt

    paths = [p for photo in photos for p in (list_photos(photo) if photo.is_dir() else [photo])]
    asked = get_prompt(prompt or taught_prompt(model) or "score")
    pixels = max_pixels or taught_pixels(model)
    shares = []
    with progress() as tell:
        tell("loading the teacher", 0.0)
        vlm = load_vlm(model, device=device, max_pixels=pixels, attention="eager")
        for done, path in enumerate(paths):
            tell("photos", done / len(paths))
            try:
                shares += attention_shares(vlm, [path], asked, max_tokens=max_tokens)
            except PhotoError as error:
                typer.echo(f"ralikit: {error}", err=True)
    if not shares:
        raise PhotoError(f"none of the {len(paths)} photos has an answer that can be looked into")
    if out is not None:
        plot_shares(shares, out)
    text = sum(s.text for s in shares) / len(shares)
    if as_json:
        facts = {"photos": [to_mapping(s) for s in shares], "text": text, "visual": 1.0 - text}
        typer.echo(to_json(facts), nl=False)
        return
    for share in shares:
        typer.echo(f"{share.photo}: reasoning {share.text:.1%}, photo {share.visual:.1%}")
    typer.echo(f"mean of {len(shares)}: reasoning {text:.1%}, photo {1 - text:.1%}")
    if out is not None:
        typer.echo(f"plot: {out}")
