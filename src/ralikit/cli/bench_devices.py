"""`ralikit bench android`: exported files on attached phones."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ralikit.cli.progress import progress
from ralikit.typed import typed

_Out = Annotated[Path, typer.Option(help="Record file (.jsonl); records are added at its end.")]
_Mode = Annotated[
    str, typer.Option(help="quick, rapid (64 queries, 6 s) or final (1,024 queries, 60 s).")
]
_Device = Annotated[
    list[str] | None, typer.Option(help="Only this device; repeatable. Default: every one.")
]


def register(bench: typer.Typer) -> None:
    """Add the command to `ralikit bench`."""
    bench.command()(android)


def android(
    files: Annotated[list[Path], typer.Argument(help="Exported .onnx files.")],
    program: Annotated[Path, typer.Option(help="ralibench for ARM64, see runtimes/c.")],
    library: Annotated[Path, typer.Option(help="libonnxruntime.so for Android, arm64-v8a.")],
    out: _Out = Path("records.jsonl"),
    mode: _Mode = "rapid",
    provider: Annotated[str, typer.Option(help="cpu, xnnpack or nnapi.")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 1,
    device: _Device = None,
    photo: Annotated[
        Path | None, typer.Option(help="Photo to score; default: one rendered on the spot.")
    ] = None,
    adb: Annotated[Path | None, typer.Option(help="The adb program.")] = None,
) -> None:
    """Time exported files on attached Android devices; nothing is left on them."""
    from ralikit.bench.adb import Adb
    from ralikit.bench.android import AndroidPlan, bench_android
    from ralikit.bench.modes import mode_named
    from ralikit.cli.bench import command_line, keep_record, photo_to_time, warn

    chosen_mode, bridge = mode_named(mode), Adb(adb)
    with photo_to_time(photo) as chosen, progress() as tell:
        plan = AndroidPlan(
            files=tuple(files),
            program=program,
            library=library,
            photo=chosen,
            mode=chosen_mode,
            provider=provider,
            threads=threads,
            serials=tuple(device or ()),
        )
        for record in bench_android(
            plan, adb=bridge, command=command_line(), progress=tell, warn=warn
        ):
            keep_record(out, record)
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")
