"""`ralikit analyze spread | swap`: a teacher's ratings of one photo, and teachers of two halves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ralikit.progress import share_of
from ralikit.typed import typed


def register(app: typer.Typer) -> None:
    """Add `spread` and `swap` to the analyses."""
    app.command()(spread)
    app.command()(swap)


def spread(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them.")],
    model: Annotated[
        list[str], typer.Option(help="A teacher: folder or hub name; several are compared.")
    ],
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("spread.png"),
    answers: Annotated[int, typer.Option(min=2, help="Answers a photo.")] = 6,
    temperature: Annotated[float, typer.Option(min=0.01, help="Of sampling.")] = 1.0,
    prompt: Annotated[
        str | None, typer.Option(help="score, visualquality …; none: what each was trained with.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Bound on an answer.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Print every rating as JSON.")] = False,
) -> None:
    """Measure how far a teacher's ratings of one photo lie apart (VisualQuality-R1, Figure 3).

    Photos with fewer than two ratings are counted and left out; exit 1 if none is left.
    """
    from ralikit.analyze.spread import plot_spreads, rating_spreads
    from ralikit.cli.progress import progress
    from ralikit.errors import PhotoError
    from ralikit.files import to_json
    from ralikit.train.teacher.engines import Asking, open_engine
    from ralikit.train.teacher.photos import list_photos
    from ralikit.train.teacher.prompts import get_prompt
    from ralikit.train.teacher.vlm import taught_pixels, taught_prompt

    paths = [p for photo in photos for p in (list_photos(photo) if photo.is_dir() else [photo])]
    found = {}
    for name in model:
        asking = Asking(
            temperature=temperature,
            max_tokens=max_tokens,
            max_pixels=taught_pixels(name),
            batch=answers,
        )
        asked = get_prompt(prompt or taught_prompt(name) or "score")
        with progress() as tell:
            tell(f"loading {name}", 0.0)
            engine = open_engine(name, asking, device=device)
            shown = share_of(tell, f"photos by {name}", len(paths))
            each = rating_spreads(engine, paths, asked, count=answers, progress=shown)
        if len(each) < len(paths):
            left = len(paths) - len(each)
            typer.echo(f"ralikit: {name}: {left} of {len(paths)} photos left out", err=True)
        if not each:
            raise PhotoError(f"{name} gave none of the {len(paths)} photos two ratings")
        found[name] = each
    plot_spreads(found, out)
    if as_json:
        rows = {
            name: [{"photo": s.photo, "ratings": s.ratings, "std": s.std} for s in each]
            for name, each in found.items()
        }
        typer.echo(to_json(rows), nl=False)
        return
    for name, each in found.items():
        mean = sum(s.std for s in each) / len(each)
        typer.echo(f"{name}: mean standard deviation {mean:.3f} over {len(each)} photos")
    typer.echo(f"plot: {out}")


def swap(
    visual: Annotated[str, typer.Option(help="Teacher whose vision encoder is taken.")],
    language: Annotated[str, typer.Option(help="Teacher whose language model is taken.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Join one teacher's vision encoder and another's language model (RALI, Table 1).

    Both are loaded in float32 at a time: 66 GB of memory for two of 7 billion parameters.
    """
    from ralikit.analyze.teacher_parts import swap_parts
    from ralikit.cli.progress import progress

    with progress() as tell:
        tell("loading both teachers, writing the joined one", 0.0)
        made = swap_parts(visual, language, out)
    typer.echo(f"teacher: {made}")
    typer.echo(f"next:    {typed('ralikit')} eval {made} --meta LABELS --root PHOTOS")
