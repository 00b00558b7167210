"""`ralikit data`: look at a labelled set before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.cli.labels import mos_range_of
from ralikit.typed import typed

if TYPE_CHECKING:
    from ralikit.data.check import DataReport

_data = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `data` to the command line."""
    app.add_typer(_data, name="data", help="Lay out published sets; check labels and images.")


@_data.callback()
def _group() -> None:
    """Check label files and their images."""


@_data.command()
def check(
    meta: Annotated[Path, typer.Argument(help="Label file: .json, .jsonl or .csv.")],
    root: Annotated[Path, typer.Option(help="Folder below which the images lie.")],
    image_column: Annotated[str | None, typer.Option(help="CSV column of the images.")] = None,
    mos_column: Annotated[str | None, typer.Option(help="CSV column of the scores.")] = None,
    distance: Annotated[
        int, typer.Option(min=0, max=32, help="Bits by which near-duplicates may differ, of 64.")
    ] = 6,
    mos_range: Annotated[
        str,
        typer.Option(help="MOS scale: LOW,HIGH (scores outside it are refused) or observed."),
    ] = "observed",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """List every missing or unreadable image, every duplicate, and groups across splits.

    Exit 0 where the set is sound (near-duplicates inside one split are only told), 1 otherwise.
    """
    from ralikit.cli.progress import track
    from ralikit.config import to_mapping
    from ralikit.data.check import check_images
    from ralikit.data.metas import Columns, read_meta
    from ralikit.files import to_json

    columns = Columns(image=image_column, mos=mos_column)
    samples = read_meta(meta, root, mos_range=mos_range_of(mos_range), columns=columns)
    scores = [s.raw for s in samples]
    with track("images", total=len({s.name for s in samples})) as advance:
        report = check_images(samples, distance=distance, progress=advance)
    if as_json:
        found = {**to_mapping(report), "mos": [min(scores), max(scores)], "sound": report.sound}
        typer.echo(to_json(found), nl=False)
    else:
        for line in _lines(report):
            typer.echo(line)
        ends = f"scores go from {min(scores):g} to {max(scores):g}"
        known = "" if mos_range != "observed" else "; --mos-range LOW,HIGH states the scale's ends"
        typer.echo(f"{ends}{known}")
    if not report.sound:
        raise typer.Exit(1)


@_data.command()
def prepare(
    name: Annotated[
        str,
        typer.Argument(
            help="koniq, spaq, kadid, pipal, livew, agiqa3k, csiq, tid2013 or biq2021.",
            metavar="SET",
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Where you unpacked it, as it is published.")],
    data: Annotated[Path, typer.Option(help="Folder that gets SET/images and SET/metas.")] = Path(
        "data"
    ),
    metas: Annotated[
        Path | None,
        typer.Option(help="Folder of DeQA-Score's label files of the set, to take over."),
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the photos instead of linking to them.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the set there.")] = False,
) -> None:
    """Lay out a set that you downloaded as the recipes name it; nothing is fetched.

    Labels and photos are counted against what is published; the licence is shown as far as it is
    known.
    """
    from ralikit.cli.progress import track
    from ralikit.data.prepare import prepare as lay_out
    from ralikit.data.published import published_set

    published = published_set(name)
    typer.echo(f"{published.name}: {published.licence}")
    with track("photos", total=published.photos) as advance:
        made = lay_out(
            published,
            folder,
            data,
            metas=metas,
            copy=copy,
            overwrite=overwrite,
            progress=advance,
        )
    how = "copied" if copy else "linked to: leave them where they are"
    typer.echo(f"{made.folder}: {made.photos} photos, {how}")
    for taken, count in made.metas.items():
        typer.echo(f"{taken}: {count} photos, all there")
    typer.echo("checksums are not known here: `ralikit data check` opens every photo")
    typer.echo(f"next: {typed('ralikit')} data check {made.meta} --root {data}")


def _lines(report: DataReport) -> list[str]:
    from ralikit.data.metas import BACKSLASHES, backslashes

    lines = [f"missing: {name}" for name in report.missing]
    if any(map(backslashes, report.missing)):
        lines.append(BACKSLASHES)
    lines += [f"unreadable: {name}: {why}" for name, why in report.unreadable]
    lines += [f"labelled more than once: {name}" for name in report.labelled_twice]
    lines += [f"same bytes: {' = '.join(group)}" for group in report.exact]
    lines += [f"across {', '.join(s)}: {' ~ '.join(group)}" for group, s in report.across]
    lines += [f"group {name} lies in more than one split" for name in report.split_groups]
    told = {tuple(group) for group, _ in report.across} | {tuple(g) for g in report.exact}
    lines += [f"looks the same: {' ~ '.join(g)}" for g in report.near if tuple(g) not in told]
    lines.append(
        f"{report.images} images: {len(report.missing)} missing, {len(report.unreadable)} "
        f"unreadable, {len(report.exact)} exact and {len(report.near)} near-duplicate groups, "
        f"{len(report.across) + len(report.split_groups)} across splits"
    )
    return lines
