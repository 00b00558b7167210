"""Readers of published label files: DeQA-Score JSON, VisualQuality-R1 JSONL and text, plain CSV.

Nothing is substituted: a row that cannot be read is an error that names it. In published training
code a missing image is replaced by another while the old label stays; here it stays missing until
`require_images` or `ralikit data check` says so.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ralikit.errors import DataError, UsageError
from ralikit.lines import numbered_lines, without_mark
from ralikit.printable import printable, shown

MosRange = tuple[float, float] | Literal["observed"]
"""The ends of a MOS scale, or "observed": the label file's own minimum and maximum."""

_DEFAULTS: dict[str, tuple[str, ...]] = {
    "image": ("image", "file", "name", "filename", "file_name", "image_name", "path"),
    "mos": ("mos", "score", "gt_score", "mean"),
    "std": ("std", "sd", "stddev"),
    "split": ("split", "set"),
    "group": ("group", "reference", "ref", "ref_img"),
}
_ROUNDING = 1e-3
"""By how much a score that a file states may leave 1..5: files are written with few digits."""

_PLAIN_STEMS = {"labels", "label", "meta", "metas", "metadata", "data", "scores", "mos"}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of a CSV's columns; None looks for the usual names.

    Attributes:
        image: Image path below the root.
        mos: Mean opinion score on the file's own scale.
        std: Standard deviation of the opinions, optional.
        split: ``train``, ``test`` ... optional.
        group: Reference image or near-duplicate group, optional.
    """

    image: str | None = None
    mos: str | None = None
    std: str | None = None
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One labelled image.

    Attributes:
        image: Its path; not opened by the reader.
        name: The path as the label file writes it.
        score: MOS on 1..5.
        raw: MOS as the label file has it.
        std: Standard deviation of the opinions in units of `score`; None where unknown.
        group: Reference image or near-duplicate group; None where unknown.
        split: The label file's own split; None where it has none.
        dataset: Name of the set.
    """

    image: Path
    name: str
    score: float
    raw: float
    std: float | None = None
    group: str | None = None
    split: str | None = None
    dataset: str = ""


@dataclass(frozen=True, kw_only=True)
class MetaSpec:
    """One label file in a recipe: where it is and how it is read (see `read_meta`).

    Attributes:
        path: The label file.
        root: Folder below which its images lie.
        mos_range: Ends of its MOS scale, ``"observed"``, or None where the file states scores on
            1..5 itself.
        split: Keep this split alone; None keeps all.
        dataset: Name of the set; None takes it from the file.
        columns: Column names of a CSV.
    """

    path: Path
    root: Path
    mos_range: tuple[float, float] | Literal["observed"] | None = None
    split: str | None = None
    dataset: str | None = None
    columns: Columns = field(default_factory=Columns)

    def read(self) -> list[Sample]:
        """Read it."""
        samples = read_meta(
            self.path,
            self.root,
            mos_range=self.mos_range,
            dataset=self.dataset,
            columns=self.columns,
        )
        return samples if self.split is None else select_split(samples, self.split)


@dataclass(frozen=True)
class _Row:
    """A row before its MOS is rescaled; `where` names it in errors."""

    where: str
    name: str
    raw: float
    norm: float | None = None
    std: float | None = None
    std_norm: float | None = None
    group: str | None = None
    split: str | None = None
    dataset: str | None = None


def read_meta(
    path: Path,
    root: Path,
    *,
    mos_range: MosRange | None = None,
    dataset: str | None = None,
    columns: Columns | None = None,
) -> list[Sample]:
    """Read a label file; the suffix says which of the four formats it is.

    MOS become ``4 (mos - low) / (high - low) + 1``, the rule of DeQA-Score, which RALI's data
    follow. DeQA-Score files state the rescaled score themselves (`gt_score_norm`); for the other
    formats the range has to be given.

    Args:
        path: ``.json`` (DeQA-Score), ``.jsonl`` or ``.txt`` (VisualQuality-R1) or ``.csv``.
        root: Folder below which the images lie.
        mos_range: (low, high) of the file's MOS scale; ``"observed"`` takes the minimum and
            maximum of the whole file, which is what the published rule does; None where the file
            states scores on 1..5.
        dataset: Name of the set; None takes it from the file.
        columns: Column names of a CSV; None looks for the usual ones.

    Returns:
        The samples, in the file's order. No image has been opened.

    Raises:
        DataError: If the file cannot be read or a row is not what its format promises.
        UsageError: If the range is needed and not given, a column is unknown, or the suffix is.
    """
    readers = {".json": _read_deqa, ".jsonl": _read_visualquality, ".txt": _read_columns}
    if path.suffix.lower() == ".csv":
        rows = _read_csv(path, columns or Columns())
    elif path.suffix.lower() in readers:
        rows = readers[path.suffix.lower()](path)
    else:
        raise UsageError(
            f"{path} is no label file: expected .json (DeQA-Score), .jsonl or .txt "
            "(VisualQuality-R1) or .csv"
        )
    if not rows:
        raise DataError(f"{path} holds no labels")
    scores = _rescale(path, rows, mos_range)
    fallback = dataset or _dataset_name(path)
    return [
        Sample(
            image=root / row.name,
            name=row.name,
            score=score,
            raw=row.raw,
            std=std,
            group=row.group,
            split=row.split,
            dataset=dataset or row.dataset or fallback,
        )
        for row, (score, std) in zip(rows, scores, strict=True)
    ]


def select_split(samples: Sequence[Sample], split: str) -> list[Sample]:
    """The samples of one split.

    Raises:
        UsageError: If there is none; the message names the splits there are.
    """
    kept = [s for s in samples if s.split == split]
    if not kept:
        names = sorted({s.split for s in samples if s.split is not None})
        there = f"it has {', '.join(names)}" if names else "it names no splits"
        raise UsageError(f"the label file has no split {split!r}; {there}")
    return kept


def require_one_score(samples: Iterable[Sample]) -> int:
    """Check that no photo has two scores: which of them a figure would trust, nobody knows.

    Returns:
        How many labels repeat a photo with the score it has already.

    Raises:
        DataError: If a photo is labelled twice with different scores.
    """
    scores: dict[Path, Sample] = {}
    again = 0
    for sample in samples:
        first = scores.setdefault(sample.image, sample)
        again += first is not sample
        if first.raw != sample.raw:
            raise DataError(
                f"{printable(sample.name)} is labelled twice, {first.raw:g} and {sample.raw:g}; "
                "run `ralikit data check` for the whole list"
            )
    return again


def require_images(samples: Iterable[Sample]) -> None:
    """Check that every image is there, before any work is spent on some of them.

    Raises:
        DataError: If images are missing: how many, the first, and where they may be instead.
    """
    samples = list(samples)
    missing = [s for s in samples if not s.image.is_file()]
    if not missing:
        return
    first = missing[0]
    root = Path(str(first.image)[: -len(first.name)] or ".")
    hint = "run `ralikit data check` for the whole list"
    if root.is_dir():
        nested = [d for d in sorted(root.iterdir()) if (d / first.name).is_file()]
        if nested:
            hint = f"they seem to lie in {nested[0]}; pass that as the root"
    if backslashes(first.name):
        hint = BACKSLASHES
    raise DataError(
        f"{len(missing)} of {len(samples)} images are missing, the first is {first.image}; {hint}"
    )


BACKSLASHES = "the labels write paths with backslashes; write them with forward slashes"


def backslashes(name: str) -> bool:
    """Whether a name is a path as Windows writes it, which is one odd file name elsewhere."""
    return os.sep == "/" and "\\" in name


def rescale(raw: float, mos_range: tuple[float, float]) -> float:
    """MOS on its own scale -> 1..5: 4 (raw - low) / (high - low) + 1."""
    low, high = mos_range
    return 4.0 * (raw - low) / (high - low) + 1.0


def _rescale(
    path: Path, rows: list[_Row], mos_range: MosRange | None
) -> list[tuple[float, float | None]]:
    stated = [row.norm is not None for row in rows]
    if all(stated) and mos_range is None:
        return [(_on_scale(row), row.std_norm) for row in rows]
    low, high = min(row.raw for row in rows), max(row.raw for row in rows)
    if mos_range is None:
        raise UsageError(
            f"{path} has MOS from {low:g} to {high:g} and does not state its scale; give the "
            "range, e.g. --mos-range 0,1 (or --mos-range observed for the file's own ends)"
        )
    if mos_range != "observed":
        if not mos_range[0] < mos_range[1] or not all(map(math.isfinite, mos_range)):
            raise UsageError(f"a MOS range goes from low to high, not {mos_range}")
        outside = next((r for r in rows if not mos_range[0] <= r.raw <= mos_range[1]), None)
        if outside is not None:
            raise DataError(
                f"{outside.where}: MOS {outside.raw:g} lies outside the range given, "
                f"{mos_range[0]:g} to {mos_range[1]:g}"
            )
        low, high = mos_range
    elif low == high:
        raise DataError(f"{path}: all MOS are {low:g}, so its own range cannot rescale them")
    factor = 4.0 / (high - low)
    return [
        (rescale(row.raw, (low, high)), None if row.std is None else row.std * factor)
        for row in rows
    ]


def _on_scale(row: _Row) -> float:
    """The score a row states on 1..5."""
    score = row.norm or 0.0
    if not 1.0 - _ROUNDING <= score <= 5.0 + _ROUNDING:
        raise DataError(
            f"{row.where}: gt_score_norm is {score:g} and goes from 1 to 5; rescale it, or give "
            "the range of gt_score, e.g. --mos-range 0,100"
        )
    return score


def _read_deqa(path: Path) -> list[_Row]:
    try:
        entries = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(entries, list):
        raise DataError(f"{path} is not a DeQA-Score meta: a JSON list is expected")
    rows = []
    for index, entry in enumerate(entries):
        where = f"{path}, entry {index + 1}"
        name = str(_get(entry, "image", where))
        norm = entry.get("gt_score_norm")
        raw = entry.get("gt_score", norm)
        if raw is None:
            raise DataError(f"{where} has neither gt_score nor gt_score_norm")
        rows.append(
            _Row(
                where=where,
                name=name,
                raw=_number(raw, where, "gt_score"),
                norm=None if norm is None else _number(norm, where, "gt_score_norm"),
                std=_optional(entry.get("std"), where, "std"),
                std_norm=_optional(entry.get("std_norm"), where, "std_norm"),
                group=_word(entry.get("group")),
                split=_word(entry.get("split")),
                dataset=name.split("/")[0] if "/" in name else None,
            )
        )
    return rows


def _read_visualquality(path: Path) -> list[_Row]:
    rows = []
    for number, line in numbered_lines(_text(path).encode()):
        where = f"{path}, line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not valid JSON: {error}") from error
        images = _get(entry, "image", where)
        if not isinstance(images, list) or len(images) != 1:
            raise DataError(f"{where}: one image is expected, not {shown(repr(images))}")
        turns = _get(entry, "conversations", where)
        answers = [
            turn.get("value")
            for turn in turns
            if isinstance(turn, dict) and turn.get("from") in {"gpt", "assistant"}
        ]
        if len(answers) != 1:
            raise DataError(f"{where}: one answer (the MOS) is expected, not {len(answers)}")
        rows.append(
            _Row(
                where=where,
                name=str(images[0]),
                raw=_number(answers[0], where, "the answer"),
                group=_word(entry.get("group")),
                split=_word(entry.get("split")),
                dataset=_word(entry.get("dataset_name")),
            )
        )
    return rows


def _read_columns(path: Path) -> list[_Row]:
    """``[reference] image MOS [deviation]`` with white space between, as VisualQuality-R1 has it.

    Sets with references name theirs first: photos of one reference are one group.
    """
    rows = []
    for number, line in numbered_lines(_text(path).encode()):
        where = f"{path}, line {number}"
        cells = line.decode().split()
        names = list(itertools.takewhile(lambda cell: not _is_number(cell), cells))
        numbers = cells[len(names) :]
        if len(names) not in (1, 2) or len(numbers) not in (1, 2):
            raise DataError(
                f"{where} is not '[reference] image MOS [deviation]' with spaces between"
            )
        rows.append(
            _Row(
                where=where,
                name=names[-1],
                raw=_number(numbers[0], where, "the MOS"),
                std=_optional(numbers[1] if numbers[1:] else None, where, "the deviation"),
                group=names[0] if names[1:] else None,
            )
        )
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_csv(path: Path, columns: Columns) -> list[_Row]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        return _csv_rows(path, reader, columns)
    except csv.Error as error:
        where = f"{path}, line {reader.line_num + 1}"  # those before it were read
        raise DataError(f"{where} is not CSV: {error}") from error


def _csv_rows(path: Path, reader: csv.DictReader[str], columns: Columns) -> list[_Row]:
    header = [name for name in reader.fieldnames or [] if name]
    found = {key: _column(path, header, key, getattr(columns, key)) for key in _DEFAULTS}
    for key in ("image", "mos"):
        if found[key] is None:
            raise UsageError(
                f"{path} has no column for {key} (looked for {', '.join(_DEFAULTS[key])}); its "
                f"columns are {', '.join(header) or 'none'}; name one with --{key}-column"
            )
    rows = []
    for record in reader:
        where = f"{path}, line {reader.line_num}"
        cell = {key: record.get(name) if name else None for key, name in found.items()}
        if not cell["image"]:
            raise DataError(f"{where} names no image")
        rows.append(
            _Row(
                where=where,
                name=cell["image"],
                raw=_number(cell["mos"], where, str(found["mos"])),
                std=_optional(cell["std"] or None, where, str(found["std"])),
                group=_word(cell["group"]),
                split=_word(cell["split"]),
            )
        )
    return rows


def _column(path: Path, header: list[str], key: str, asked: str | None) -> str | None:
    if asked is not None:
        if asked not in header:
            raise UsageError(f"{path} has no column {asked!r}; its columns are {', '.join(header)}")
        return asked
    lowered = {name.strip().lower(): name for name in reversed(header)}
    return next((lowered[name] for name in _DEFAULTS[key] if name in lowered), None)


def _text(path: Path) -> str:
    try:
        # Newlines stay as they are: one inside a quoted name belongs to it.
        return without_mark(path.read_bytes()).decode()
    except OSError as error:
        raise DataError(f"cannot read the labels {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}") from error


def _get(entry: Any, key: str, where: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise DataError(f"{where} has no {key!r}")
    return entry[key]


def _number(value: Any, where: str, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise DataError(f"{where}: {name} is {shown(repr(value))}, a finite number is expected")
    return number


def _optional(value: Any, where: str, name: str) -> float | None:
    return None if value is None else _number(value, where, name)


def _word(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _dataset_name(path: Path) -> str:
    return path.resolve().parent.name if path.stem.lower() in _PLAIN_STEMS else path.stem
