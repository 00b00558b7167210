"""`ralikit export` and `ralikit verify`: from a bundle to a file that a phone loads, and proof."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.cli.presets import apply_preset, precision_for
from ralikit.export.targets import TARGETS, everyday, names
from ralikit.export.targets.target import AUTO
from ralikit.typed import typed

if TYPE_CHECKING:
    from ralikit.export.pipeline import Exported
    from ralikit.export.search.search import AutoExported
    from ralikit.export.verify import Verified
    from ralikit.model.bundle import Bundle


def register(app: typer.Typer) -> None:
    """Add `export` and `verify` to the command line."""
    app.command()(export)
    app.command()(verify)


def _precisions() -> str:
    # What all targets have, then what one of them has besides.
    own = {t.name: [p.name for p in t.precisions if p.name != AUTO] for t in TARGETS}
    common = [name for name in own[TARGETS[0].name] if all(name in has for has in own.values())]
    more = {t: [name for name in has if name not in common] for t, has in own.items()}
    words = [f"{t} also {', '.join(has)}" for t, has in more.items() if has]
    return "; ".join([", ".join(common), *words])


def export(
    context: typer.Context,
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle folder; default: the bundled model.")
    ] = None,
    target: Annotated[str, typer.Option(help=f"{', '.join(names())} or all.")] = "onnx",
    precision: Annotated[
        str,
        typer.Option(
            help=f"{_precisions()}; auto: a type for every layer, inside the budgets below."
        ),
    ] = "int8",
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos like yours, to calibrate and compare on; default: photos that "
            "come with scikit-image and scikit-learn.",
            metavar="DIR",
        ),
    ] = None,
    outputs: Annotated[
        str | None,
        typer.Option(
            "--outputs",
            "--functions",
            help="What the file gives: score, and any of embedding,reasons; default: score, and "
            "reasons where the model has them.",
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="Core ML, transformers: standard, or neural-engine: tokens along the last axis, "
            "1 x 1 convolutions, attention head by head."
        ),
    ] = "standard",
    input_: Annotated[
        str,
        typer.Option(
            "--input",
            help="Core ML: standard, or float16-planar: the views as float16 (V, 3, S, S).",
        ),
    ] = "standard",
    patches: Annotated[
        str,
        typer.Option(
            help="Core ML, transformers: convolution, or linear: patches by a reshape and a linear "
            "layer instead of a strided convolution."
        ),
    ] = "convolution",
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="TFLite: refuse what a phone's GPU would not take whole."),
    ] = False,
    npu: Annotated[
        bool,
        typer.Option("--npu", help="TFLite, ONNX: refuse what a phone's NPU would not take whole."),
    ] = False,
    max_drift: Annotated[
        float, typer.Option(help="auto: largest difference from the float32 score on any photo.")
    ] = 0.02,
    min_srcc: Annotated[
        float, typer.Option(help="auto: least rank correlation with the float32 scores.")
    ] = 0.998,
    budget_mb: Annotated[
        float | None, typer.Option(help="auto: largest file, megabytes of 10^6 bytes.")
    ] = None,
    prefer: Annotated[
        str, typer.Option(help="auto: the smallest file (size) or the fastest (speed).")
    ] = "size",
    thorough: Annotated[
        bool,
        typer.Option("--thorough", help="Compare large towers on 200 photos instead of 16."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Defaults for iphone, android-cpu, android-gpu, android-npu, qnn, web, "
            "server; list: each, and why.",
            callback=apply_preset,
            is_eager=True,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Convert a bundle, run the converted file, compare its scores, and only then name it.

    A file that drifts over its precision's limit is refused: nothing is written, exit code 1.
    """
    from ralikit.cli.progress import progress
    from ralikit.extras import require

    if precision != "auto":
        _refuse_budgets(context)
    require("torch", extra="export", job="Export")
    require("onnx", extra="export", job="Export")
    from ralikit.export.options import ExportOptions, parse_outputs
    from ralikit.export.pipeline import export_all
    from ralikit.export.search.frontier import Budgets
    from ralikit.export.search.search import export_auto_all

    targets = _all_here() if target == "all" else (target,)
    opened = _opened(bundle)
    source = context.get_parameter_source("precision")
    if preset is not None and source is not None and source.name == "DEFAULT_MAP":
        precision = precision_for(preset, opened)
    options = ExportOptions(
        calibration=calibration,
        outputs=None if outputs is None else parse_outputs(outputs),
        layout=layout,
        input=input_,
        patches=patches,
        gpu=gpu,
        npu=npu,
        thorough=thorough,
        overwrite=overwrite,
    )
    done: list[Exported] = []
    with progress() as tell:
        if precision == "auto":
            budgets = Budgets(
                max_drift=max_drift, min_srcc=min_srcc, budget_mb=budget_mb, prefer=prefer
            )
            for found in export_auto_all(
                opened, targets=targets, out=out, budgets=budgets, options=options, tell=tell
            ):
                page = _page(found)
                done.append(found.exported)
                if not as_json:
                    _print_exported(found.exported)
                    _print_mix(found.exported)
                    if page is not None:
                        typer.echo(f"  why these types: {page}")
        else:
            for item in export_all(
                opened, targets=targets, precision=precision, out=out, options=options, tell=tell
            ):
                done.append(item)
                if not as_json:
                    _print_exported(item)
    if as_json:
        _print_json({"exported": [_export_json(item) for item in done]})


_BUDGETS = ("max_drift", "min_srcc", "budget_mb", "prefer")


def _refuse_budgets(context: typer.Context) -> None:
    """Refuse budgets that nothing would be held to.

    Raises:
        UsageError: If one was given.
    """
    from ralikit.errors import UsageError

    for name in _BUDGETS:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')} is a budget of --precision auto, which searches "
                "a type for every layer; other precisions are held to limits of their own"
            )


def verify(
    file: Annotated[Path, typer.Argument(help="What ralikit export wrote.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Also compare with this bundle, on --photos.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos to compare on.", metavar="DIR")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the runtime.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check an exported file from the file alone: hashes, structure, golden photos scored again.

    Exit code 1 where anything fails.
    """
    from ralikit.cli.progress import progress
    from ralikit.errors import UsageError
    from ralikit.export.verify import verify as run
    from ralikit.progress import telling

    if (bundle is None) != (photos is None):
        raise UsageError("--bundle and --photos go together: a model to compare with, and on what")
    compared = () if photos is None else _photos_below(photos)
    with progress() as tell, telling(tell):
        result = run(
            file,
            bundle=None if bundle is None else _opened(bundle),
            photos=compared,
            threads=threads,
        )
    if as_json:
        _print_json(_verify_json(result))
    else:
        _print_verified(result)
    if not result.passed:
        raise typer.Exit(1)


def _opened(root: Path | None) -> Bundle:
    from ralikit.models import open_bundle

    return open_bundle(root)


def _all_here() -> tuple[str, ...]:
    from ralikit.cli.output import print_error

    here = everyday()
    for left_out in (t for t in TARGETS if t not in here):
        print_error(
            f"all without {left_out.name}: {left_out.job} needs {left_out.modules[-1]}; install it "
            f"with: {typed('pip')} install 'ralikit[{left_out.extra}]'"
        )
    return tuple(t.name for t in here)


def _photos_below(root: Path) -> list[Path]:
    from ralikit.cli.output import print_error
    from ralikit.photo.find import find_photos

    return find_photos([str(root)], on_skip=print_error)


def _print_exported(item: Exported) -> None:
    parity = item.parity
    warning = (item.facts.get("calibration") or {}).get("warning")
    if warning:
        typer.echo(f"warning: {warning}", err=True)
    rank = "" if parity.srcc is None else f", SRCC {parity.srcc:.5f}"
    typer.echo(
        f"{item.path}  {item.size / 1e6:.2f} MB  {item.target}, {item.precision}\n"
        f"  {parity.photos} photos against the float32 reference: largest difference "
        f"{parity.max_drift:.6f}, 95th percentile {parity.p95_drift:.6f}{rank}\n"
        f"  manifest: {item.manifest}\n"
        f"  score with it: {typed('ralikit')} score PHOTO --model {item.path}\n"
        f"  check it anywhere: {typed('ralikit')} verify {item.path}"
    )


def _page(item: AutoExported) -> Path | None:
    # The plot needs libraries that an export does not.
    from ralikit.errors import MissingExtraError
    from ralikit.report.auto import write_page

    path = item.exported.path.with_name(f"{item.exported.path.name}.auto.html")
    try:
        write_page(item, path)
    except MissingExtraError as error:
        typer.echo(f"no page with the layers and the plot: {error}", err=True)
        return None
    return path


def _print_mix(item: Exported) -> None:
    mix = item.facts["auto"]
    from rich.console import Console
    from rich.table import Table

    kinds = sorted({row["type"] for row in mix["layers"]})
    rows = Table("type", "layers", "stored", "largest shift of one", box=None, pad_edge=False)
    for kind in kinds:
        own = [row for row in mix["layers"] if row["type"] == kind]
        shift = max(row["shift"][kind] for row in own)
        stored = sum(row["bytes"] for row in own)
        rows.add_row(kind, str(len(own)), f"{stored / 1e6:.2f} MB", f"{shift:.5f}")
    Console(soft_wrap=True).print(rows)
    drift = mix["predicted_drift"]
    whole = f"{item.facts['precision']} throughout"
    words = whole if drift is None else f"drift predicted {drift:.5f}"
    count = len(mix["trials"])
    tried = "1 file was" if count == 1 else f"{count} files were"
    typer.echo(f"  {words}; {tried} converted and run")


def _print_verified(result: Verified) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    table = Table("check", "", "detail", box=None, pad_edge=False)
    words = {True: "ok", False: "FAILED", None: "-"}
    for check in result.checks:
        table.add_row(check.name, words[check.passed], check.detail)
    console.print(table)
    scores = Table("golden photo", "reference", "this file", "difference", box=None, pad_edge=False)
    for name, reference, score in result.golden:
        scores.add_row(name, f"{reference:.4f}", f"{score:.4f}", f"{score - reference:+.5f}")
    console.print()
    console.print(scores)
    if result.note:
        console.print(f"\nnote: {result.note}")
    verdict = "verified" if result.passed else f"NOT verified: {result.reason}"
    console.print(f"\n{result.path}: {verdict}", markup=False)


def _export_json(item: Exported) -> dict[str, object]:
    return {
        "target": item.target,
        "precision": item.precision,
        "path": str(item.path),
        "manifest": str(item.manifest),
        "bytes": item.size,
        "parity": item.parity.figures(),
    }


def _verify_json(result: Verified) -> dict[str, object]:
    return {
        "path": str(result.path),
        "passed": result.passed,
        "reason": result.reason,
        "runtime": result.runtime,
        "note": result.note,
        "max_drift": None if math.isnan(result.max_drift) else result.max_drift,
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in result.checks],
        "golden": [
            {"name": name, "reference": reference, "score": score}
            for name, reference, score in result.golden
        ],
        "parity": None if result.parity is None else result.parity.figures(),
    }


def _print_json(value: object) -> None:
    from ralikit.files import to_json

    sys.stdout.write(to_json(value))
