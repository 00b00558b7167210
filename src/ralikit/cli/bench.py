"""`ralikit bench`: measure files on this computer; records are appended as they are finished."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ralikit.cli import bench_devices
from ralikit.cli.progress import progress
from ralikit.cli.recording import command_line, keep_record, photo_to_time, warn
from ralikit.typed import typed

_bench = typer.Typer(no_args_is_help=True)

_Out = Annotated[Path, typer.Option(help="Record file (.jsonl); records are added at its end.")]
_Threads = Annotated[str, typer.Option(help="Thread counts, comma-separated; each is a run.")]


def register(app: typer.Typer) -> None:
    """Add `bench` to the command line."""
    bench_devices.register(_bench)
    app.add_typer(_bench, name="bench", help="Measure latency, memory and parity.")


@_bench.callback()
def _group() -> None:
    """Measure latency, memory and parity; `ralikit report` shows the records."""


@_bench.command()
def host(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Exported files or bundle folders; openvino:FILE.onnx and transformers:FOLDER "
            "time a peer in the same run."
        ),
    ],
    out: _Out = Path("records.jsonl"),
    photo: Annotated[
        Path | None, typer.Option(help="Photo to time; default: one rendered on the spot.")
    ] = None,
    threads: _Threads = "1",
    batch: Annotated[
        str,
        typer.Option(
            help="Photos a query, comma-separated; each is a run. Bundle folders take them in one "
            "call, exported files one after another."
        ),
    ] = "1",
    backend: Annotated[str, typer.Option(help="auto, or openvino for .onnx files.")] = "auto",
    quick: Annotated[bool, typer.Option(help="A short look; its records say so.")] = False,
) -> None:
    """Time every file in a process of its own, in interleaved rounds, and read its memory."""
    from ralikit.bench.host import HostPlan, bench_host

    with photo_to_time(photo) as chosen, progress() as tell:
        plan = HostPlan(
            files=tuple(files),
            photo=chosen,
            threads=_numbers(threads),
            batches=_numbers(batch),
            backend=backend,
            quick=quick,
        )
        for record in bench_host(plan, command=command_line(), progress=tell, warn=warn):
            keep_record(out, record)
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")


@_bench.command()
def standin(
    out: Annotated[Path, typer.Argument(help="Bundle folder to make.")],
    kind: Annotated[
        str, typer.Option(help="clip-vit-l-14-336, clip-vit-b-16-224 or siglip2-base-16-384.")
    ] = "clip-vit-l-14-336",
    outliers: Annotated[
        str, typer.Option(help="none, norm, inner or tokens: what trained transformers have.")
    ] = "none",
    photos: Annotated[int, typer.Option(min=16, help="Photos the basis is fitted to.")] = 96,
    seed: Annotated[int, typer.Option(help="Of the weights.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder.")] = False,
) -> None:
    """Make a bundle of real architecture and random weights, to measure what it costs."""
    from ralikit.extras import require

    require("torch", extra="export", job="A stand-in")
    from ralikit.bench.standin import make_standin

    with progress() as tell:
        bundle = make_standin(
            out,
            kind=kind,
            outliers=outliers,
            photos=photos,
            seed=seed,
            overwrite=overwrite,
            tell=tell,
        )
    where = shlex.quote(str(out))
    typer.echo(
        f"{out}: {bundle.info.name}, random weights\n"
        f"next: {typed('ralikit')} export {where} --target onnx --precision int8"
    )


@_bench.command()
def peer(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder with a CLIP tower.")],
    out: Annotated[Path, typer.Argument(help="The .onnx file to write.")],
) -> None:
    """Export the Hugging Face module with a bundle's weights to ONNX: what exports are timed by."""
    from ralikit.extras import require
    from ralikit.models import open_bundle

    require("torch", extra="export", job="A peer")
    require("onnx", extra="export", job="A peer")
    from ralikit.bench.peers import write_peer

    with progress() as tell:
        write_peer(open_bundle(bundle), out, tell=tell)
    typer.echo(f"{out}\nnext: {typed('ralikit')} bench host {shlex.quote(str(out))} FILE...")


@_bench.command()
def parity(
    reference: Annotated[Path, typer.Argument(help="File or bundle the others are compared with.")],
    files: Annotated[list[Path], typer.Argument(help="The others.")],
    photos: Annotated[Path, typer.Option(help="Folder of photos.")],
    meta: Annotated[Path | None, typer.Option(help="Label file with MOS of these photos.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of the label file.")] = None,
    out: _Out = Path("records.jsonl"),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtimes.")] = 1,
) -> None:
    """Score the same photos with every file and say how far the scores part."""
    from ralikit.bench.parity import ParityPlan, bench_parity
    from ralikit.bench.photos import bench_photos

    chosen, mos = bench_photos(photos, meta, split)
    plan = ParityPlan(
        reference=reference, files=tuple(files), photos=chosen, mos=mos, threads=threads
    )
    with progress() as tell:
        for record in bench_parity(plan, command=command_line(), progress=tell):
            keep_record(out, record)
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")


@_bench.command()
def reasons(
    files: Annotated[
        list[Path], typer.Argument(help="Files or bundles; the first is the reference.")
    ],
    plant: Annotated[
        list[str],
        typer.Option(
            help="Good photos to plant faults in: a photo, folder or pattern; repeatable."
        ),
    ],
    meta: Annotated[
        Path | None, typer.Option(help="Label file: its best photos are looked at as they are.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of its photos.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of the label file.")] = None,
    good: Annotated[int, typer.Option(min=0, help="How many of its best photos.")] = 100,
    also: Annotated[int, typer.Option(min=0, help="In how many of them to plant, too.")] = 0,
    seed: Annotated[int, typer.Option(help="Of directions, noise and tints.")] = 0,
    out: _Out = Path("records.jsonl"),
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtimes.")] = 1,
) -> None:
    """Plant every fault at three strengths, and see which reason a model names first."""
    from ralikit.bench.photos import best_photos
    from ralikit.bench.reasons import ReasonsPlan, bench_reasons
    from ralikit.cli.output import print_error
    from ralikit.photo.find import find_photos

    found = find_photos(plant, on_skip=print_error)
    best = best_photos(meta, root, split, count=good)
    plan = ReasonsPlan(
        files=tuple(files),
        plant=(*found, *best[:also]),
        clean=tuple(best[also:]),
        seed=seed,
        threads=threads,
    )
    with progress() as tell:
        for record in bench_reasons(plan, command=command_line(), progress=tell):
            keep_record(out, record)
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")


@_bench.command()
def teacher(
    out: _Out = Path("records.jsonl"),
    size: Annotated[str, typer.Option(help="7b or 3b: Qwen2.5-VL's sizes.")] = "7b",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of real weights; default: random ones.")
    ] = None,
    batches: Annotated[str, typer.Option(help="Photos a call, comma-separated.")] = "1",
    photo: Annotated[Path | None, typer.Option(help="Photo; default: one rendered.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Samples of each system and batch.")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads on a CPU.")] = None,
) -> None:
    """Cost of Q-Insight and of RALI ViT-L/14-336 on this computer, at the same batches."""
    from ralikit.bench.teacher import TeacherPlan, bench_teacher

    with photo_to_time(photo) as chosen, progress() as tell:
        plan = TeacherPlan(
            size=size,
            folder=folder,
            batches=_numbers(batches),
            photo=chosen,
            repeats=repeats,
            threads=threads,
        )
        for record in bench_teacher(plan, command=command_line(), progress=tell, warn=warn):
            keep_record(out, record)
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")


def _numbers(text: str) -> tuple[int, ...]:
    from ralikit.errors import UsageError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"whole numbers, comma-separated, are expected, not {text!r}") from error
