"""How scores are written: lines with a bar for people, JSON and CSV for scripts."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from ralikit.cli.streams import Stream

if TYPE_CHECKING:
    from ralikit.rank import Ranked
    from ralikit.scorer import Score, Scorer

_BAR = 20  # cells of a full bar


class Failure(NamedTuple):
    """A photo that could not be scored, and why."""

    photo: str
    error: str


class Writer(Protocol):
    """Takes scores one by one; leaving the block finishes the output."""

    def add(self, score: Score) -> None:
        """Write or keep one score."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class LineWriter:
    """One line a photo: score, bar, name; colours only on a terminal."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def add(self, score: Score) -> None:
        print_line("", score)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


class CsvWriter:
    """A header line, then one line a photo as soon as it is scored."""

    def __init__(self, scorer: Scorer) -> None:
        _print_csv(_csv_header(scorer))

    def add(self, score: Score) -> None:
        _print_csv(_csv_cells(score))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()


class JsonWriter:
    """One object at the end, also when the work was interrupted."""

    def __init__(self, scorer: Scorer, failures: Sequence[Failure]) -> None:
        self._scorer, self._failures = scorer, failures
        self._photos: list[dict[str, Any]] = []

    def add(self, score: Score) -> None:
        self._photos.append(score_object(score))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _print_json(self._scorer, self._photos, self._failures, complete=kind is None)


def print_error(message: str) -> None:
    """One line on stderr."""
    print(f"ralikit: {message}", file=sys.stderr, flush=True)


def print_ranking(scorer: Scorer, ranked: Sequence[Ranked], *, by: str | None = None) -> None:
    """Lines with places; places that are shared carry an "="."""
    width = len(str(len(ranked))) + 1
    for item in ranked:
        place = f"{item.place}{'=' if item.tied else ' '}".rjust(width) + "  "
        print_line(place, item.score, quality=None if by is None else item.value)
    if by is not None:
        print(f"by {by}, 0 to 1; how close two photos may be in it was not measured")
        return
    if scorer.tie_width is None:
        print("How close two scores may be before this model cannot tell them apart: not measured.")
    elif any(item.tied for item in ranked):
        how = f" ({scorer.tie_width_note})" if scorer.tie_width_note else ""
        print(f"= not told apart: less than {scorer.tie_width:.2f} below the group's best{how}")
        close = _close_across(ranked, scorer.tie_width)
        if close is not None:
            above, below = close
            print(
                f"places part a list that has no gaps: {above.value:.2f} and {below.value:.2f}, of "
                "two places, are not told apart either"
            )


def _close_across(ranked: Sequence[Ranked], tie_width: float) -> tuple[Ranked, Ranked] | None:
    """The first two neighbours of different places that the model does not tell apart."""
    for above, below in pairwise(ranked):
        if above.place != below.place and above.value - below.value < tie_width:
            return above, below
    return None


def print_ranking_json(
    scorer: Scorer,
    ranked: Sequence[Ranked],
    failures: Sequence[Failure],
    *,
    by: str | None = None,
) -> None:
    """The same object as for scores, with a place for every photo, and its quality if asked."""
    photos = []
    for item in ranked:
        quality = {} if by is None else {"quality": round(item.value, 6)}
        photos.append(
            {"place": item.place, "tied": item.tied, **quality, **score_object(item.score)}
        )
    _print_json(scorer, photos, failures, complete=True, by=by)


def print_ranking_csv(scorer: Scorer, ranked: Sequence[Ranked], *, by: str | None = None) -> None:
    """The columns of scores after place, tied and, where asked for, the quality."""
    own = [] if by is None else [by]
    _print_csv(["place", "tied", *own, *_csv_header(scorer)])
    for item in ranked:
        quality = [] if by is None else [f"{item.value:.6f}"]
        _print_csv([item.place, str(item.tied).lower(), *quality, *_csv_cells(item.score)])


@contextmanager
def only_our_lines() -> Iterator[None]:
    """Keep what native libraries print (libtiff on a damaged file) off stderr.

    Python's own stderr goes on to where it was; file descriptor 2, which they write to, leads
    nowhere meanwhile.
    """
    try:
        shared = sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):
        shared = False
    if not shared:
        yield
        return
    before = sys.stderr
    before.flush()
    copy = os.dup(2)
    with (
        Stream(copy, before, owned=True) as ours,
        open(os.devnull, "wb") as nowhere,  # noqa: PTH123
    ):
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            ours.flush()
            os.dup2(copy, 2)
            sys.stderr = before


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """How far long work is, on stderr; yields what to call after each photo."""
    from ralikit.cli.progress import track

    done = 0
    with track("photos", total) as show:

        def advance() -> None:
            nonlocal done
            done += 1
            show(done)

        yield advance


def score_object(score: Score) -> dict[str, Any]:
    """A score as JSON has it."""
    return {
        "photo": score.source,
        "score": round(score.value, 6),
        "width": score.width,
        "height": score.height,
        "notes": list(score.notes),
        "reasons": [
            {"id": r.id, "words": r.words, "value": round(r.value, 6)} for r in score.reasons
        ],
        "reason_values": {k: round(v, 6) for k, v in score.reason_values.items()},
    }


def _print_json(
    scorer: Scorer,
    photos: list[dict[str, Any]],
    failures: Sequence[Failure],
    *,
    complete: bool,
    by: str | None = None,
) -> None:
    document = {
        "model": scorer.name,
        "licence": scorer.licence,
        "runtime": scorer.runtime.name,
        "scale": {"minimum": scorer.scale.minimum, "maximum": scorer.scale.maximum},
        "tie_width": scorer.tie_width,
        "tie_width_note": scorer.tie_width_note,
        # The first names of the two above, for scripts that read them.
        "resolution": scorer.tie_width,
        "resolution_note": scorer.tie_width_note,
        **({} if by is None else {"by": by}),
        "complete": complete,
        "photos": photos,
        "errors": [failure._asdict() for failure in failures],
    }
    print_object(document)


def print_object(document: dict[str, Any]) -> None:
    """One JSON object, in plain ASCII: every terminal and every parser takes that."""
    print(json.dumps(document, indent=2, allow_nan=False), flush=True)


def _csv_header(scorer: Scorer) -> list[str]:
    header = ["photo", "score", "width", "height", "notes"]
    return [*header, "reasons", *(r.id for r in scorer.reasons)] if scorer.reasons else header


def _csv_cells(score: Score) -> list[Any]:
    cells = [score.source, f"{score.value:.6f}", score.width, score.height, "; ".join(score.notes)]
    if score.reason_values:
        cells.append("; ".join(reason.words for reason in score.reasons))
        cells += [f"{value:.6f}" for value in score.reason_values.values()]
    return [
        _harmless(cell) if isinstance(cell, str) and i != 1 else cell
        for i, cell in enumerate(cells)
    ]


def _print_csv(cells: Sequence[Any]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    print(_encodable(line.getvalue()), flush=True)


def _harmless(text: str) -> str:
    # A spreadsheet would run a cell that begins like a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def print_line(prefix: str, score: Score, *, quality: float | None = None) -> None:
    """A photo's line, with its score, or with a quality of 0 to 1 in the score's place."""
    share = (score.value - score.minimum) / (score.maximum - score.minimum)
    share = min(max(share if quality is None else quality, 0.0), 1.0)
    value = score.value if quality is None else quality
    reasons = ", ".join(reason.words for reason in score.reasons)
    notes = (f"  {reasons}" if reasons else "") + (
        f"  ({'; '.join(score.notes)})" if score.notes else ""
    )
    if not sys.stdout.isatty():
        print(_encodable(f"{prefix}{value:.2f}  {score.source}{notes}"), flush=True)
        return
    full, empty = ("█", "·") if _encodes("█·") else ("#", "-")
    cells = round(share * _BAR)
    bar = full * cells + empty * (_BAR - cells)
    text = _encodable(f"{prefix}{value:.2f}  ")
    print(f"{text}{_paint(bar, share)}  {_encodable(score.source + notes)}", flush=True)


def _paint(bar: str, share: float) -> str:
    """Red, yellow from 2.5 on the 1-5 scale, green from 3.5; plain where colour is unwanted."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return bar
    code = 31 if share < 0.375 else 33 if share < 0.625 else 32
    return f"\x1b[{code}m{bar}\x1b[0m"


def _encodes(text: str) -> bool:
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return False
    return True


def _encodable(text: str) -> str:
    return text.encode(_encoding(), "backslashreplace").decode(_encoding())


def _encoding() -> str:
    # While a progress bar is shown, sys.stdout is a stand-in that knows no encoding.
    own = sys.__stdout__.encoding if sys.__stdout__ is not None else None
    return sys.stdout.encoding or own or "ascii"
