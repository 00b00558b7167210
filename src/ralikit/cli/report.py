"""`ralikit report`: a page from benchmark records, and what got worse since older ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `report` to the command line."""
    app.command()(report)


def report(
    records: Annotated[list[Path], typer.Argument(help="Record files (.jsonl) or folders.")],
    out: Annotated[Path, typer.Option(help="Page to write; its Markdown goes beside it.")] = Path(
        "report.html"
    ),
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Older records: a regression beyond noise exits 1."),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of the photos that parity records name.")
    ] = None,
) -> None:
    """Write a report from records: size, latency, memory, parity, and Q-Insight beside RALI."""
    from ralikit.bench.records import read
    from ralikit.cli.progress import progress
    from ralikit.errors import UsageError
    from ralikit.files import write_text
    from ralikit.report import bench, page
    from ralikit.report.compare import matched, regressions

    with progress() as tell:
        tell("reading records, drawing plots", 0.0)
        new = read(records)
        parts = bench.sections(new, photos)
    lead = f"Made from {len(new)} records; nothing here was typed in by hand."
    worse = []
    if against:
        old = read(against)
        compared = matched(new, old)
        if not compared:
            raise UsageError("nothing to compare: no measurement is in both sets of records")
        worse = regressions(new, old)
        text = tuple(str(w) for w in worse) or (
            f"None: {compared} measurements are no worse than before, within their noise.",
        )
        parts.insert(0, page.Section(title="Regressions", text=text))
    write_text(out, page.html(bench.TITLE, lead, parts))
    beside = out.with_suffix(".md")
    write_text(beside, page.markdown(bench.TITLE, lead, parts))
    typer.echo(f"{out}\n{beside}")
    if worse:
        for regression in worse:
            typer.echo(f"worse: {regression}", err=True)
        raise typer.Exit(1)
