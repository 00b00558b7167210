"""The papers' printed numbers (`papers.json`), to stand beside what is measured here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class PaperRow:
    """One method on one set, as printed.

    Attributes:
        method: Name of the method.
        trained_on: What it was trained on.
        plcc: Raw PLCC.
        srcc: SRCC.
        source: Paper and table.
    """

    method: str
    trained_on: str
    plcc: float
    srcc: float
    source: str


@dataclass(frozen=True)
class PaperSet:
    """A test set of the papers; `photos` is None where their number is not stated."""

    key: str
    name: str
    photos: int | None


def known_set(dataset: str) -> PaperSet | None:
    """The papers' set of this name, e.g. ``"KONIQ"`` or ``"agiqa-3k"``; None where it is none.

    Names are compared without case and punctuation, never by likeness: another resolution of a
    set is another set.
    """
    plain = _plain(dataset)
    for key, entry in _read()["sets"].items():
        if plain in {_plain(alias) for alias in entry["aliases"]}:
            return PaperSet(key, entry["name"], entry["photos"])
    return None


@dataclass(frozen=True)
class PaperAverage:
    """A mean over sets that the papers print; `sets` is empty where we do not know theirs."""

    key: str
    name: str
    sets: tuple[str, ...]


def paper_averages() -> list[PaperAverage]:
    """The means that the papers print."""
    return [
        PaperAverage(key, entry["name"], tuple(entry["sets"]))
        for key, entry in _read()["averages"].items()
    ]


def paper_rows(key: str) -> list[PaperRow]:
    """All methods with a number on a set, or an average of sets, in the papers' order."""
    return [
        PaperRow(row["method"], row["trained_on"], plcc, srcc, row["source"])
        for row in _read()["rows"]
        if key in row["values"]
        for plcc, srcc in [row["values"][key]]
    ]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def _read() -> dict[str, Any]:
    text = resources.files("ralikit.data").joinpath("papers.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value
