"""`ralikit score --from`: a corpus in, a folder of Parquet files out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.cli.progress import progress

if TYPE_CHECKING:
    from ralikit.corpus import CorpusResult, CorpusSettings

_PANEL = "A corpus"

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Score a corpus into --out: webdataset (.tar, .tar.gz), parquet (a column of "
        "pictures) or folder; paths may be s3://BUCKET/PREFIX, which may also stand here.",
        metavar="webdataset|parquet|folder|ADDRESS",
        rich_help_panel=_PANEL,
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        help="Folder for the rows (or s3://BUCKET/PREFIX), one file a shard; the same command goes "
        "on after a stop.",
        metavar="DIR",
        rich_help_panel=_PANEL,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="Of the rows: parquet.", metavar="parquet", rich_help_panel=_PANEL
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes of one thread each; default: one a core.", rich_help_panel=_PANEL
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        help="Parquet: column of the pictures' bytes; default: image, or the only one.",
        metavar="COLUMN",
        rich_help_panel=_PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        help="Parquet: column of their names; default: key or __key__, else the row's number.",
        metavar="COLUMN",
        rich_help_panel=_PANEL,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="What computes: cpu (default), or ONNX Runtime's cuda or tensorrt.",
        metavar="cpu|cuda|tensorrt",
        rich_help_panel=_PANEL,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="A Ray cluster's address, auto, or local; default: processes on this computer.",
        metavar="ADDRESS",
        rich_help_panel=_PANEL,
    ),
]


def settings_of(
    source: str | None, out: str | None, kind: str | None, **given: object
) -> CorpusSettings | None:
    """Settings from the words of a command line; None where they ask for no corpus.

    Raises:
        UsageError: If words for a corpus stand without ``--from``, or the other way round.
    """
    from ralikit.corpus import CorpusSettings
    from ralikit.corpus.shards import source_at
    from ralikit.corpus.stores import check_address, is_address
    from ralikit.errors import UsageError

    options = {"out": out, "format": kind, **{n: given[n] for n in _CORPUS_ONLY}}
    if source is None:
        for name, value in options.items():
            if value is not None:
                raise UsageError(
                    f"--{name} is for a corpus; say --from webdataset, parquet or folder"
                )
        return None
    if is_address(source):
        check_address(source)
        given["paths"] = (source, *given["paths"])  # type: ignore[misc]
        source = source_at(source)
    if out is None:
        raise UsageError("--from writes files: name their folder with --out DIR")
    if kind not in (None, "parquet"):
        raise UsageError(f"rows are written as parquet, not {kind}")
    for name in _PHOTOS_ONLY:
        if given[name]:
            raise UsageError(f"--{name} does not go with --from: {_PHOTOS_ONLY[name]}")
    settings = {n: given[n] for n in (*_CORPUS_ONLY, "paths", "model")}
    settings["processor"] = settings.pop("device") or "cpu"
    place = out if is_address(out) else Path(out)
    return CorpusSettings(source=source, out=place, **settings)  # type: ignore[arg-type]


_CORPUS_ONLY = ("processes", "image", "key", "device", "ray")
_PHOTOS_ONLY = {
    "csv": "its rows go into files",
    "threads": "every process has one; set --processes",
}


def score_corpus(settings: CorpusSettings, *, as_json: bool) -> None:
    """Score a corpus and say what became of it; exit 1 where a shard could not be read."""
    from ralikit import corpus
    from ralikit.cli.output import only_our_lines, print_error

    with only_our_lines(), progress() as tell:
        result = corpus.score_corpus(settings, progress=tell, warn=print_error)
    if as_json:
        _print_json(result, settings)
    else:
        _print(result, settings)
    if result.failures:
        raise typer.Exit(1)


def _print_json(result: CorpusResult, settings: CorpusSettings) -> None:
    from dataclasses import asdict

    from ralikit.cli.output import print_object

    said = {**asdict(result), "failures": list(result.failures), "out": str(settings.out)}
    print_object(said)


def _print(result: CorpusResult, settings: CorpusSettings) -> None:
    import shlex

    from ralikit.printable import printable

    missing = len(result.failures)
    before = result.shards - result.written - missing
    typer.echo(
        f"{result.pictures:,} pictures in {result.written:,} of {result.shards:,} shards, "
        f"{result.errors:,} with an error, in {result.seconds:.0f} s"
        + (f"; {before:,} shards were there already" if before else "")
        + (f"; {missing:,} cannot be read" if missing else "")
    )
    pattern = shlex.quote(f"{printable(settings.out).rstrip('/')}/*.parquet")
    typer.echo(f"rows: {pattern}")
