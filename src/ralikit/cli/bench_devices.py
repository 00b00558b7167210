"""`ralikit bench android` and `ralikit bench ios`: attached phones."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ralikit.cli.progress import progress
from ralikit.cli.recording import command_line, keep_record, photo_to_time, warn
from ralikit.typed import typed

_Out = Annotated[Path, typer.Option(help="Record file (.jsonl); records are added at its end.")]
_Mode = Annotated[
    str, typer.Option(help="quick, rapid (64 queries, 6 s) or final (1,024 queries, 60 s).")
]
_Device = Annotated[
    list[str] | None, typer.Option(help="Only this device; repeatable. Default: every one.")
]


def register(bench: typer.Typer) -> None:
    """Add the commands to `ralikit bench`."""
    bench.command()(android)
    bench.command()(ios)


def android(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Exported .onnx and .tflite files.")
    ] = None,
    app: Annotated[
        str,
        typer.Option(
            help="Start this installed app's benchmark instead; the Android demo is "
            "org.ralikit.demo.app."
        ),
    ] = "",
    program: Annotated[
        Path | None, typer.Option(help="ralibench for the phone, see runtimes/c.")
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="libonnxruntime.so for the phone: for .onnx files.")
    ] = None,
    litert: Annotated[
        list[Path] | None,
        typer.Option(
            help="libLiteRt.so for the phone: for .tflite files. Repeatable: the libraries of its "
            "accelerators come behind it."
        ),
    ] = None,
    out: _Out = Path("records.jsonl"),
    mode: _Mode = "rapid",
    provider: Annotated[
        str, typer.Option(help=".onnx: cpu, xnnpack or nnapi; .tflite: cpu, gpu or npu.")
    ] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the runtime.")] = 1,
    device: _Device = None,
    photo: Annotated[
        Path | None, typer.Option(help="Photo to score; default: one rendered on the spot.")
    ] = None,
    adb: Annotated[Path | None, typer.Option(help="The adb program.")] = None,
) -> None:
    """Time exported files, or the demo app, on attached Android devices; no file is left there."""
    from ralikit.bench.adb import Adb
    from ralikit.bench.android import AndroidPlan, bench_android
    from ralikit.bench.android_app import AppPlan, bench_app
    from ralikit.bench.modes import mode_named
    from ralikit.errors import UsageError

    if bool(app) == bool(files):
        raise UsageError("say exported files, or --app with an installed app, one of the two")
    if files and program is None:
        raise UsageError("--program is missing: runtimes/c/README.md says how to build ralibench")
    chosen_mode, bridge, serials = mode_named(mode), Adb(adb), tuple(device or ())
    command = command_line()
    with photo_to_time(photo) as chosen, progress() as tell:
        if files and program is not None:
            plan = AndroidPlan(
                files=tuple(files),
                program=program,
                library=library,
                litert=tuple(litert or ()),
                photo=chosen,
                mode=chosen_mode,
                provider=provider,
                threads=threads,
                serials=serials,
            )
            run = bench_android(plan, adb=bridge, command=command, progress=tell, warn=warn)
        else:
            told = AppPlan(app=app, mode=chosen_mode, serials=serials)
            run = bench_app(told, adb=bridge, command=command, progress=tell, warn=warn)
        for record in run:
            keep_record(out, record)
    _next(out)


def ios(
    project: Annotated[
        Path, typer.Option(help="The folder ios_demo: its benchmark test is built and run.")
    ] = Path("ios_demo"),
    app: Annotated[
        Path | None, typer.Option(help="A built RaliDemo.app to install and launch instead.")
    ] = None,
    out: _Out = Path("records.jsonl"),
    mode: _Mode = "rapid",
    units: Annotated[
        str, typer.Option(help="Of all, cpu, gpu, neural engine; comma-separated, in turns.")
    ] = "all",
    team: Annotated[str, typer.Option(help="Apple developer team that signs the app.")] = "",
    device: _Device = None,
) -> None:
    """Run the iOS demo's benchmark on attached iPhones; needs a Mac with Xcode."""
    from ralikit.bench.apple import Xcode
    from ralikit.bench.ios import IosPlan, bench_ios
    from ralikit.bench.modes import mode_named

    plan = IosPlan(
        project=project,
        app=app,
        mode=mode_named(mode),
        units=tuple(unit.strip() for unit in units.split(",")),
        team=team,
        udids=tuple(device or ()),
    )
    with progress() as tell:
        for record in bench_ios(
            plan, xcode=Xcode(), command=command_line(), progress=tell, warn=warn
        ):
            keep_record(out, record)
    _next(out)


def _next(out: Path) -> None:
    typer.echo(f"records: {out}\nnext: {typed('ralikit')} report {shlex.quote(str(out))}")
