"""Rows of a spreadsheet (.xlsx) as text, without a library: a zip of XML tables."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from ralikit.errors import DataError

_MOST = 64 << 20
"""Most bytes that a table unpacks to; SPAQ's 11,125 rows have 3 MB."""

_CELL = re.compile(r"([A-Z]{1,3})\d+")
_COLUMNS = 256


def read_xlsx(path: Path, sheet: str | None = None) -> list[list[str]]:
    """Read one sheet; empty cells are empty text.

    Args:
        path: The file.
        sheet: Its sheet's name; None: the first.

    Raises:
        DataError: If it cannot be read, is no spreadsheet, or has no such sheet.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            place = _sheet_place(archive, sheet, path)
            strings = _strings(archive)
            return [_row(row, strings) for row in _parse(archive, place).iter() if _is(row, "row")]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (
        *(zipfile.BadZipFile, zlib.error, ElementTree.ParseError, NotImplementedError),
        *(LookupError, ValueError, RuntimeError, EOFError),
    ) as error:
        raise DataError(f"{path} is no spreadsheet (.xlsx) that can be read: {error}") from error


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _parse(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _MOST:
        raise ValueError(f"{name} unpacks to more than {_MOST >> 20} MB")
    with archive.open(name) as part:
        data = _bounded(part)
    if b"<!DOCTYPE" in data:  # entities can make gigabytes of a few bytes
        raise ValueError(f"{name} declares entities")
    return ElementTree.fromstring(data)  # noqa: S314 (nothing is declared in it)


def _bounded(part: IO[bytes]) -> bytes:
    data = part.read(_MOST + 1)
    if len(data) > _MOST:
        raise ValueError(f"it unpacks to more than {_MOST >> 20} MB")
    return data


def _sheet_place(archive: zipfile.ZipFile, sheet: str | None, path: Path) -> str:
    sheets = [e for e in _parse(archive, "xl/workbook.xml").iter() if _is(e, "sheet")]
    names = [e.get("name", "") for e in sheets]
    if not sheets or (sheet is not None and sheet not in names):
        raise DataError(f"{path} has no sheet {sheet!r}; it has {', '.join(names) or 'none'}")
    found = sheets[0 if sheet is None else names.index(sheet)]
    key = next(value for name, value in found.items() if name.endswith("}id"))
    links = _parse(archive, "xl/_rels/workbook.xml.rels")
    target = next(e.get("Target", "") for e in links.iter() if e.get("Id") == key)
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _strings(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    items = (e for e in _parse(archive, "xl/sharedStrings.xml").iter() if _is(e, "si"))
    return ["".join(t.text or "" for t in item.iter() if _is(t, "t")) for item in items]


def _row(row: ElementTree.Element, strings: list[str]) -> list[str]:
    cells: list[str] = []
    for cell in (e for e in row if _is(e, "c")):
        place = _CELL.fullmatch(cell.get("r", ""))
        at = len(cells) if place is None else _number(place[1])
        if at >= _COLUMNS:
            break
        cells += [""] * (at + 1 - len(cells))
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            cells[at] = "".join(t.text or "" for t in cell.iter() if _is(t, "t"))
            continue
        value = next((v.text or "" for v in cell if _is(v, "v")), "")
        cells[at] = strings[int(value)] if kind == "s" else value
    return cells


def _number(letters: str) -> int:
    """A column's number, A being 0."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
