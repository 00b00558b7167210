"""`ralikit score` and `ralikit rank`: photos in, scores out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ralikit.cli import corpus

if TYPE_CHECKING:
    from ralikit.cli.output import Failure
    from ralikit.errors import PhotoError
    from ralikit.scorer import Score, Scorer

_PHOTOS = typer.Argument(
    help="Photos, folders (searched to the bottom) or patterns.", metavar="PHOTO"
)
Photos = Annotated[list[str], _PHOTOS]
PhotosOrNone = Annotated[list[str] | None, _PHOTOS]
Model = Annotated[
    Path | None,
    typer.Option(
        help="Bundle folder, or exported .onnx, .tflite, .mlpackage or .aimodel; default: the "
        "bundled model.",
        metavar="BUNDLE|FILE",
    ),
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads of one inference; default: the runtime's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a header line on stdout.")]


def register(app: typer.Typer) -> None:
    """Add `score` and `rank` to the command line."""
    app.command()(score)
    app.command()(rank)


def score(
    photos: PhotosOrNone = None,
    model: Model = None,
    threads: Threads = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    source: corpus.From = None,
    out: corpus.Out = None,
    kind: corpus.Format = None,
    processes: corpus.Processes = None,
    image: corpus.Image = None,
    key: corpus.Key = None,
    device: corpus.Device = None,
    ray: corpus.Ray = None,
) -> None:
    """Score photos: higher is better, on the model's scale (the bundled model's is 1 to 5).

    A photo that cannot be read is one line on stderr; the rest still score, and the exit code is 1.

    With --from, a whole corpus: rows go into files, a picture that cannot be read is a row with its
    error, and the same command goes on after a stop.
    """
    from ralikit.cli import output

    settings = corpus.settings_of(
        source,
        out,
        kind,
        paths=tuple(photos or []),
        model=None if model is None else str(model),
        processes=processes,
        image=image,
        key=key,
        device=device,
        ray=ray,
        csv=as_csv,
        threads=threads,
    )
    if settings is not None:
        corpus.score_corpus(settings, as_json=as_json)
        return
    _one_format(as_json, as_csv)
    found, failures = find(photos or [])
    scorer = load_scorer(model, threads)
    writer: output.Writer
    if as_json:
        writer = output.JsonWriter(scorer, failures)
    elif as_csv:
        writer = output.CsvWriter(scorer)
    else:
        writer = output.LineWriter(scorer)
    with writer:
        score_all(scorer, found, failures, lambda _, score: writer.add(score))
    finish(failures)


def rank(
    photos: Photos,
    model: Model = None,
    threads: Threads = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    by: Annotated[
        str | None,
        typer.Option(
            help="A quality instead of the score: sharpness, steadiness, cleanness, exposure, "
            "contrast, colour or fidelity; for models with a bank of reasons.",
            metavar="QUALITY",
        ),
    ] = None,
) -> None:
    """Order photos, best first; those the model does not tell apart share a place, marked "="."""
    from ralikit import rank as ranking
    from ralikit.cli import output

    _one_format(as_json, as_csv)
    found, failures = find(photos)
    scorer = load_scorer(model, threads)
    if by is not None:
        ranking.check_quality(by, (r.quality for r in scorer.reasons), model=scorer.name)
    scores: list[Score] = []
    score_all(scorer, found, failures, lambda _, score: scores.append(score))
    ranked = ranking.rank(scores, tie_width=scorer.tie_width if by is None else None, by=by)
    if as_json:
        output.print_ranking_json(scorer, ranked, failures, by=by)
    elif as_csv:
        output.print_ranking_csv(scorer, ranked, by=by)
    else:
        output.print_ranking(scorer, ranked, by=by)
    finish(failures)


def _one_format(as_json: bool, as_csv: bool) -> None:
    from ralikit.errors import UsageError

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other; choose one")


def find(words: list[str]) -> tuple[list[Path], list[Failure]]:
    from ralikit.cli.output import Failure, print_error
    from ralikit.photo.find import find_photos
    from ralikit.printable import printable

    failures: list[Failure] = []

    def note(error: PhotoError) -> None:
        name, _, reason = str(error).partition(": ")
        failures.append(Failure(printable(name), reason))
        print_error(str(error))

    return find_photos(words, on_error=note, on_skip=print_error), failures


def load_scorer(model: Path | None, threads: int | None) -> Scorer:
    from ralikit.cli.progress import progress
    from ralikit.scorer import load

    with progress() as tell:
        tell("loading the model", 0.0)
        return load(model, threads=threads)


def score_all(
    scorer: Scorer,
    photos: list[Path],
    failures: list[Failure],
    take: Callable[[Path, Score], None],
    *,
    scenes: bool = False,
) -> None:
    """Score photos; those that cannot be are one line on stderr each, and are listed."""
    from ralikit.cli.output import Failure, only_our_lines, print_error, progress
    from ralikit.cli.streams import unread
    from ralikit.printable import printable

    failed: set[Path] = set()
    with only_our_lines(), progress(len(photos)) as advance:

        def note(photo: object, error: PhotoError) -> None:
            failed.add(Path(str(photo)))
            name = printable(str(photo))
            failures.append(Failure(name, str(error).removeprefix(f"{name}: ")))
            print_error(str(error))
            advance()

        waiting = iter(photos)
        for result in scorer.score_many(photos, on_error=note, scenes=scenes):
            # Photos come in order, and one that failed has been told before the next is there.
            take(next(photo for photo in waiting if photo not in failed), result)
            advance()
            if unread():
                return


def finish(failures: list[Failure]) -> None:
    if failures:
        raise typer.Exit(1)
