"""`ralikit eval`: agreement with human opinion over whole labelled sets."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from ralikit.cli.labels import mos_range_of
from ralikit.errors import UsageError

if TYPE_CHECKING:
    from ralikit.data.metas import MetaSpec
    from ralikit.evaluate import EvalResult

T = TypeVar("T")

_TEACHER = "Asking a teacher"


def register(app: typer.Typer) -> None:
    """Add `eval` to the command line."""
    app.command(name="eval")(evaluate)


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(help="Bundles, exported files or teachers; the first is compared against."),
    ],
    meta: Annotated[
        list[Path], typer.Option(help="Label file (.json, .jsonl, .csv); repeat for several sets.")
    ],
    root: Annotated[
        list[Path], typer.Option(help="Folder of its images; one, or one a label file.")
    ],
    mos_range: Annotated[
        list[str] | None,
        typer.Option(
            help="Its MOS scale: LOW,HIGH, `observed` (its own ends) or `stated`; one, or one each."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Keep this split, e.g. test; files without splits are whole.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Name of the set, one a label file.")
    ] = None,
    image_column: Annotated[str | None, typer.Option(help="CSV column of the images.")] = None,
    mos_column: Annotated[str | None, typer.Option(help="CSV column of the scores.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the runtime.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Average answers with these seeds, e.g. 0,1,2.", rich_help_panel=_TEACHER
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="What it is asked; default: as trained.", rich_help_panel=_TEACHER),
    ] = None,
    engine: Annotated[
        Literal["transformers", "vllm"],
        typer.Option(help="What runs it.", rich_help_panel=_TEACHER),
    ] = "transformers",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 …", rich_help_panel=_TEACHER)
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Bound on an answer.", rich_help_panel=_TEACHER)
    ] = 512,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            help="Larger photos are reduced to so many pixels; default: as trained.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Answers at a time.", rich_help_panel=_TEACHER)
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            help="File (.jsonl) for its answers as they come; a stopped run goes on with it.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for eval.json, eval.md, plots and score lists.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Record file (.jsonl) to append to; `ralikit report` reads.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Score labelled sets and print SRCC, PLCC (raw and logistic), KRCC, RMSE, MAE.

    Every figure comes with its 95 % bootstrap interval and the number of photos; known sets stand
    beside the papers' rows; several models are compared by paired bootstrap.
    """
    from ralikit import evaluate as library
    from ralikit.cli.progress import progress
    from ralikit.files import refuse_existing, to_json
    from ralikit.report import accuracy

    if out is not None:
        refuse_existing(out, overwrite=overwrite)
    specs = _specs(meta, root, mos_range, split, dataset, image_column, mos_column)
    sets = [library.load_set(spec, lenient_split=True) for spec in specs]
    teacher = library.TeacherOptions(
        seeds=tuple(_seeds(seeds)),
        prompt=prompt,
        engine=engine,
        device=device,
        max_tokens=max_tokens,
        max_pixels=max_pixels,
        batch=batch,
        answers=answers,
    )
    with progress() as tell:
        opened = []
        for name in models:
            tell(f"loading {name}", 0.0)
            opened.append(library.open_model(name, threads=threads, teacher=teacher))
        results = library.evaluate(
            opened,
            sets,
            resamples=resamples,
            seed=seed,
            progress=lambda label, done, total: tell(label, done / total),
        )
    command = shlex.join(["ralikit", *sys.argv[1:]])
    if out is not None:
        accuracy.write(
            out, results, command=command, resamples=resamples, seed=seed, overwrite=overwrite
        )
    if records is not None:
        from ralikit.bench.records import append

        append(records, accuracy.records(results, command=command))
    if as_json:
        typer.echo(to_json([r.figures() for r in results]), nl=False)
        return
    _show(results, resamples=resamples, seed=seed)
    if out is not None:
        typer.echo(f"report: {out / 'eval.md'}")


def _seeds(text: str | None) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError as error:
        raise UsageError(f"--seeds takes whole numbers such as 0,1,2, not {text!r}") from error


def _specs(
    metas: list[Path],
    roots: list[Path],
    ranges: list[str] | None,
    split: str | None,
    names: list[str] | None,
    image_column: str | None,
    mos_column: str | None,
) -> list[MetaSpec]:
    from ralikit.data.metas import Columns, MetaSpec

    spread = _spread(roots, len(metas), "--root")
    scales = [mos_range_of(r) for r in _spread(ranges or ["stated"], len(metas), "--mos-range")]
    named = _spread(names, len(metas), "--dataset") if names else [None] * len(metas)
    if names and len(metas) > 1 and len(names) == 1:
        raise UsageError("several label files need as many --dataset names, or none")
    return [
        MetaSpec(
            path=meta,
            root=root,
            mos_range=scale,
            split=split,
            dataset=name,
            columns=Columns(image=image_column, mos=mos_column),
        )
        for meta, root, scale, name in zip(metas, spread, scales, named, strict=True)
    ]


def _spread(values: list[T], count: int, option: str) -> list[T]:
    if len(values) not in (1, count):
        raise UsageError(f"{option} must be given once or once a label file, not {len(values)}x")
    return values * count if len(values) == 1 else values


def _show(results: list[EvalResult], *, resamples: int, seed: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from ralikit.report import accuracy

    console = Console(width=None if sys.stdout.isatty() else 200)

    def grid(title: str | None, header: list[str], rows: list[list[str]]) -> None:
        drawn = Table(title=title, title_justify="left")
        for name in header:
            drawn.add_column(name)
        for row in rows:
            drawn.add_row(*row)
        console.print(drawn, markup=False)

    grid(None, *accuracy.table(results))
    for data in dict.fromkeys(id(r.data) for r in results):
        group = [r for r in results if id(r.data) == data]
        papers = accuracy.paper_table(group[0].data, group)
        if papers is not None:
            grid(f"{group[0].data.name} beside the papers", *papers)
    for title, header, rows in accuracy.average_tables(results):
        grid(f"{title}, beside the papers", header, rows)
    for line in [
        accuracy.method(resamples, seed),
        *accuracy.differences(results),
        *accuracy.notes(results),
    ]:
        console.print(line, markup=False, highlight=False)
