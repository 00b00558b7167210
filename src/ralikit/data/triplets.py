"""Triplets {image, score, texts}: one JSON line a photo, appended so that a kill loses nothing.

A line that a kill tore in half is cut off when the file is opened again (`ralikit.data.line_file`):
that photo is described anew, no text is doubled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.data.line_file import Closing, LineFile
from ralikit.errors import DataError
from ralikit.files import to_json
from ralikit.lines import numbered_lines, without_mark
from ralikit.printable import shown

__all__ = [
    "Rejected",
    "Text",
    "Triplet",
    "TripletWriter",
    "described",
    "read_triplets",
    "write_triplets",
]


@dataclass(frozen=True, kw_only=True)
class Text:
    """One description of a photo.

    Attributes:
        text: The words, never empty.
        seed: The sampling seed that gave them.
        source: Who wrote them, e.g. ``"teacher:Q-Insight"`` or ``"rules"``.
        rating: The score the same answer gave, 1..5; None where the writer gives none.
    """

    text: str
    seed: int
    source: str
    rating: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An answer that was no description: kept as evidence, never used as one.

    Attributes:
        seed: The sampling seed that gave it.
        reason: Why it was refused.
        answer: What came, as it came.
    """

    seed: int
    reason: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """One photo, its opinion score and what was said about it.

    Attributes:
        image: Path below the photo root, with forward slashes.
        score: MOS, 1..5.
        texts: Descriptions; empty where every answer was rejected.
        dataset: Name of the dataset the score comes from, "" where unknown.
        group: What must not be split over train and test (a reference image), "" where unknown.
        rejected: Answers that did not parse, after all retries.
    """

    image: str
    score: float
    texts: tuple[Text, ...]
    dataset: str = ""
    group: str = ""
    rejected: tuple[Rejected, ...] = ()

    def to_line(self) -> str:
        """The triplet as one line of JSON, newline included; empty optional keys are left out."""
        texts: list[dict[str, Any]] = []
        for text in self.texts:
            entry: dict[str, Any] = {"text": text.text, "seed": text.seed, "source": text.source}
            if text.rating is not None:
                entry["rating"] = text.rating
            texts.append(entry)
        record: dict[str, Any] = {"image": self.image, "score": self.score, "texts": texts}
        if self.dataset:
            record["dataset"] = self.dataset
        if self.group:
            record["group"] = self.group
        if self.rejected:
            record["rejected"] = [
                {"seed": r.seed, "reason": r.reason, "answer": r.answer} for r in self.rejected
            ]
        return to_json(record, indent=None) + "\n"


def read_triplets(paths: Path | Sequence[Path], *, keep_empty: bool = False) -> list[Triplet]:
    """Read triplets of one or several files, in their order.

    Args:
        paths: A JSONL file, or several.
        keep_empty: Also give photos of which no answer could be used (no texts).

    Raises:
        DataError: If a file is missing, a line is not a triplet, or a photo stands there twice.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    triplets: list[Triplet] = []
    for path in files:
        seen: dict[str, int] = {}
        for number, triplet in _lines(path):
            if triplet.image in seen:
                raise DataError(
                    f"{path}, line {number}: {triplet.image} stands in line "
                    f"{seen[triplet.image]} already; a photo has one line"
                )
            seen[triplet.image] = number
            if triplet.texts or keep_empty:
                triplets.append(triplet)
    return triplets


def write_triplets(path: Path, triplets: Iterable[Triplet]) -> None:
    """Write triplets as a new file; it must not exist.

    Raises:
        DataError: If the file exists or cannot be written.
    """
    if path.exists():
        raise DataError(f"{path} exists already; name another file or remove it")
    with TripletWriter(path) as writer:
        for triplet in triplets:
            writer.append(triplet)


def described(paths: Iterable[Path]) -> set[str]:
    """The photos that have a whole line in any of the files; files that do not exist have none.

    A last line without its end, of a writer that was killed or is at work, does not count.
    """
    found: set[str] = set()
    for path in paths:
        if path.exists():
            text = _bytes(path)
            whole = text[: text.rfind(b"\n") + 1]
            found |= {triplet.image for _, triplet in _parsed(path, whole)}
    return found


class TripletWriter(Closing):
    """Append triplets to a file, one whole line at a time; opened again, it goes on where it was.

    Attributes:
        path: The file.
        done: The photos already in it (their `image`).
    """

    def __init__(self, path: Path) -> None:
        """Open or create `path`; cut off a last line that was not written to its end.

        Raises:
            DataError: If the file cannot be opened or a whole line in it is not a triplet.
        """
        self.path = path
        self._file = LineFile(path)
        try:
            self.done = {triplet.image for _, triplet in _lines(path)}
        except BaseException:
            self._file.close()
            raise

    def append(self, triplet: Triplet) -> None:
        """Add one photo; when this returns, its line is on the disk.

        Raises:
            DataError: If the photo is in the file already, or the disk is full: then the file is
                as it was before the call.
        """
        if triplet.image in self.done:
            raise DataError(f"{self.path}: {triplet.image} is in the file already")
        self._file.append(triplet.to_line().encode(), kept=f"the {len(self.done)} photos")
        self.done.add(triplet.image)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _lines(path: Path) -> Iterator[tuple[int, Triplet]]:
    return _parsed(path, _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _parsed(path: Path, text: bytes) -> Iterator[tuple[int, Triplet]]:
    for number, line in numbered_lines(without_mark(text)):
        where = f"{path}, line {number}"
        try:
            yield number, _parse(line.decode(), where=where)
        except UnicodeDecodeError as error:
            raise DataError(f"{where} is not UTF-8 text: {error.reason}") from error


def _parse(line: str, *, where: str) -> Triplet:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    try:
        score = float(record["score"])
        triplet = Triplet(
            image=_word(record["image"]),
            score=score,
            texts=tuple(
                Text(
                    text=_word(t["text"]),
                    seed=int(t["seed"]),
                    source=_word(t["source"]),
                    rating=None if t.get("rating") is None else float(t["rating"]),
                )
                for t in record["texts"]
            ),
            dataset=str(record.get("dataset", "")),
            group=str(record.get("group", "")),
            rejected=tuple(
                Rejected(seed=int(r["seed"]), reason=str(r["reason"]), answer=str(r["answer"]))
                for r in record.get("rejected", ())
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{where}: not a triplet, {what}; a line is "
            '{"image": path, "score": 1..5, "texts": [{"text", "seed", "source"}]}'
        ) from error
    if not (math.isfinite(score) and 1.0 <= score <= 5.0):
        raise DataError(f"{where}: the score of {triplet.image} is {score}, expected 1..5")
    return triplet


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"text is expected, not {shown(repr(value))}")
    return value
