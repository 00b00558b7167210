"""`ralikit describe`: quality texts for a labelled set, from a teacher or from rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ralikit.cli.labels import mos_range_of
from ralikit.errors import UsageError
from ralikit.progress import share_of

if TYPE_CHECKING:
    from ralikit.data.metas import Sample
    from ralikit.train.describe.teacher import DescribeReport

_TEACHER = "Asking a teacher"


def register(app: typer.Typer) -> None:
    """Add `describe` to the command line."""
    app.command()(describe)


def describe(
    meta: Annotated[Path, typer.Option(help="Label file: .json, .jsonl or .csv.")],
    root: Annotated[Path, typer.Option(help="Folder below which its images lie.")],
    out: Annotated[Path, typer.Option(help="Triplets to write (.jsonl); continued if begun.")],
    model: Annotated[
        str | None, typer.Argument(help="A teacher: folder or hub name; none with --rules.")
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules", help="Put measurements into words; no model needed.")
    ] = False,
    texts: Annotated[int, typer.Option(min=1, help="Texts of each photo, a seed each.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    retries: Annotated[
        int,
        typer.Option(
            min=0, help="How often an unusable answer is drawn again.", rich_help_panel=_TEACHER
        ),
    ] = 3,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="score, visualquality or description; none: what the teacher was trained with.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    engine: Annotated[
        Literal["transformers", "vllm"],
        typer.Option(help="What runs the model.", rich_help_panel=_TEACHER),
    ] = "transformers",
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, cuda:1 … (transformers).", rich_help_panel=_TEACHER),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Answers drawn at a time; none: 16, with vLLM 512.",
            rich_help_panel=_TEACHER,
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Of sampling.", rich_help_panel=_TEACHER)
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of sampling.", rich_help_panel=_TEACHER)
    ] = 1.0,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Bound on an answer.", rich_help_panel=_TEACHER)
    ] = 512,
    max_pixels: Annotated[
        int | None,
        typer.Option(help="Larger photos are reduced to so many pixels.", rich_help_panel=_TEACHER),
    ] = None,
    shard: Annotated[
        str, typer.Option(help="I/N: the I-th of N processes, each with its own --out.")
    ] = "1/1",
    mos_range: Annotated[
        str | None,
        typer.Option(help="MOS scale: LOW,HIGH or `observed`; none: stated by the file."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Keep this split alone.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the set.")] = None,
    image_column: Annotated[str | None, typer.Option(help="CSV column of the images.")] = None,
    mos_column: Annotated[str | None, typer.Option(help="CSV column of the scores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write {image, score, texts} lines; after a kill the same command goes on.

    Exit 1 if a photo could not be read: it is left out, and tried again by the next run.
    """
    if rules == (model is not None):
        raise UsageError("describe takes either a teacher (folder or hub name) or --rules")
    from ralikit.cli.progress import progress, track

    index, count = _shard(shard)
    samples = _samples(meta, root, mos_range, split, dataset, image_column, mos_column)
    if model is None:
        if count > 1:
            raise UsageError("--rules takes no --shard: its words are cut from the whole set")
        from ralikit.train.describe.rules import describe_rules

        with track("photos", total=len(samples)) as advance:
            new = describe_rules(samples, out, texts=texts, seed=seed, progress=advance)
        if as_json:
            from ralikit.files import to_json

            facts = {"photos": new, "already": len(samples) - new, "texts": new * texts}
            typer.echo(to_json(facts), nl=False)
        else:
            typer.echo(f"triplets: {out}")
        return

    from ralikit.train.describe.teacher import DescribeSettings
    from ralikit.train.describe.teacher import describe as ask
    from ralikit.train.teacher.engines import Asking, open_engine
    from ralikit.train.teacher.vlm import taught_pixels, taught_prompt

    settings = DescribeSettings(
        prompt=prompt or taught_prompt(model) or "score",
        texts=texts,
        seed=seed,
        retries=retries,
        asking=Asking(
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            max_pixels=max_pixels or taught_pixels(model),
            batch=batch or (512 if engine == "vllm" else 16),
        ),
    )
    own = len(samples[index::count])
    with progress() as tell:
        tell("loading the teacher", 0.0)
        loaded = open_engine(model, settings.asking, kind=engine, device=device)
        report = ask(
            samples,
            loaded,
            out,
            settings,
            shard=(index, count),
            progress=share_of(tell, "photos", own),
        )
    _tell(report, out, as_json=as_json)
    if report.unreadable:
        raise typer.Exit(1)


def _tell(report: DescribeReport, out: Path, *, as_json: bool) -> None:
    if as_json:
        from ralikit.config import to_mapping
        from ralikit.files import to_json

        facts = {**to_mapping(report), "texts_per_second": report.texts_per_second}
        typer.echo(to_json(facts), nl=False)
        return
    for name in report.unreadable:
        typer.echo(f"unreadable: {name}")
    typer.echo(
        f"{report.photos} photos described, {report.already} were already; {report.texts} texts, "
        f"{report.rejected} answers rejected, {len(report.unreadable)} photos unreadable; "
        f"{report.texts_per_second:.2f} texts/s"
    )
    typer.echo(f"triplets: {out}")


def _samples(
    meta: Path,
    root: Path,
    mos_range: str | None,
    split: str | None,
    dataset: str | None,
    image_column: str | None,
    mos_column: str | None,
) -> list[Sample]:
    from ralikit.data.metas import Columns, MetaSpec

    scale = mos_range_of(mos_range or "stated")
    columns = Columns(image=image_column, mos=mos_column)
    spec = MetaSpec(
        path=meta, root=root, mos_range=scale, split=split, dataset=dataset, columns=columns
    )
    return spec.read()


def _shard(text: str) -> tuple[int, int]:
    try:
        index, count = (int(part) for part in text.split("/"))
    except ValueError as error:
        raise UsageError(f"--shard takes I/N such as 1/8, not {text!r}") from error
    if not 1 <= index <= count:
        raise UsageError(f"--shard {text}: I goes from 1 to N")
    return index - 1, count
