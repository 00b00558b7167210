"""`ralikit explain`: where a photo is bad, as a picture and in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ralikit.cli.score import AsJson, Model, Threads

if TYPE_CHECKING:
    from ralikit.explain import Explanation, Window
    from ralikit.scorer import Scorer


def register(app: typer.Typer) -> None:
    """Add `explain` to the command line."""
    app.command()(explain)


def explain(
    photo: Annotated[Path, typer.Argument(help="One photo.", metavar="PHOTO")],
    out: Annotated[
        Path | None, typer.Option(help="Draw the map into this PNG.", metavar="FILE.png")
    ] = None,
    model: Model = None,
    threads: Threads = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.png.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say where a photo is bad: windows slid over it are scored one by one.

    The worst one is named, with its reasons where the model has a bank; --out draws all of them as
    colours over the photo.
    """
    from ralikit.cli.output import only_our_lines
    from ralikit.cli.progress import progress
    from ralikit.cli.score import load_scorer
    from ralikit.explain import explain as find
    from ralikit.progress import telling

    if out is not None:
        _check_out(photo, out, overwrite=overwrite)
    scorer = load_scorer(model, threads)
    with only_our_lines(), progress() as tell, telling(tell):
        found = find(scorer, photo)
    if out is not None:
        _write(found, out, overwrite=overwrite)
    if as_json:
        _print_json(scorer, found, out)
    else:
        _print(scorer, found, out)


def _check_out(photo: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse what cannot be written before any photo is scored."""
    from ralikit.errors import UsageError
    from ralikit.files import refuse_existing

    if out.suffix.lower() != ".png":
        raise UsageError(f"the map is a PNG: --out must end in .png, not {out.name!r}")
    if out.exists() and photo.exists() and out.samefile(photo):
        raise UsageError(f"{out} is the photo itself; choose another file for the map")
    if out.is_dir():
        raise UsageError(f"{out} is a folder; --out names the file of the map")
    refuse_existing(out, overwrite=overwrite)


def _write(found: Explanation, out: Path, *, overwrite: bool) -> None:
    from ralikit.explain.picture import draw_map
    from ralikit.files import publish

    with publish(out, overwrite=overwrite) as draft:
        draw_map(found).save(draft, "PNG", optimize=True)


def _print(scorer: Scorer, found: Explanation, out: Path | None) -> None:
    from ralikit.cli.output import print_line
    from ralikit.printable import printable

    print_line("", found.score)
    worst = found.worst
    size = f"{found.score.width} x {found.score.height}"
    place = " ".join(str(edge) for edge in _box(worst))
    why = ", ".join(reason.words for reason in worst.reasons)
    print(f"{worst.value:.2f}  worst region: {place} of {size}{f'  {why}' if why else ''}")
    plain = sum(window.plain for window in found.windows)
    but = f", {plain} too plain to judge" if plain else ""
    print(f"{found.median:.2f}  median of {len(found.windows)} windows{but}")
    if not found.stands_out:
        print("no region stands out: the worst lies within the model's tie width of the median")
    if not scorer.reasons:
        print(f"{scorer.name} gives no reasons; the bundled models do")
    if out is not None:
        print(f"map: {printable(out)}")


def _print_json(scorer: Scorer, found: Explanation, out: Path | None) -> None:
    from ralikit.cli.output import print_object, score_object
    from ralikit.printable import printable

    print_object(
        {
            "model": scorer.name,
            "licence": scorer.licence,
            "runtime": scorer.runtime.name,
            "scale": {"minimum": scorer.scale.minimum, "maximum": scorer.scale.maximum},
            "tie_width": scorer.tie_width,
            **score_object(found.score),
            "stands_out": found.stands_out,
            "median": round(found.median, 6),
            "worst": _window_object(found.worst),
            "windows": [_window_object(window) for window in found.windows],
            "cells": [[round(float(value), 4) for value in row] for row in found.cells],
            "map": None if out is None else printable(out),
        }
    )


def _window_object(window: Window) -> dict[str, Any]:
    return {
        "box": _box(window),
        "score": round(window.value, 6),
        "plain": window.plain,
        "reasons": [
            {"id": r.id, "words": r.words, "value": round(r.value, 6)} for r in window.reasons
        ],
        "reason_values": {k: round(v, 6) for k, v in window.reason_values.items()},
    }


def _box(window: Window) -> list[int]:
    """Left, top, right, bottom, whole pixels of the upright photo."""
    return [round(e) for e in (window.left, window.top, window.right, window.bottom)]
