"""Render a page: one HTML file with style, plots and pictures inside, and the same as Markdown."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.extras import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

NOT_MEASURED = "not measured"
_GAP = "–"
"""What stands in a cell that was not measured."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with the conditions under which its figures hold.

    Attributes:
        title: Heading.
        columns: Column names; the first column names the row.
        rows: Cells as text, one row a tuple.
        conditions: Sentences under the table.
        fill: Command that fills cells reading "not measured", or "".
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    conditions: tuple[str, ...] = ()
    fill: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {len(row)} cells for {len(self.columns)} columns")

    def folded(self) -> Table:
        """The same without columns in which nothing was measured; a sentence names those."""
        gone = [
            i
            for i in range(1, len(self.columns))
            if self.rows and all(row[i] == NOT_MEASURED for row in self.rows)
        ]
        if not gone:
            return self
        kept = [i for i in range(len(self.columns)) if i not in gone]
        names = ", ".join(self.columns[i] for i in gone)
        filled = any(NOT_MEASURED in [row[i] for i in kept] for row in self.rows)
        command = "" if filled or not self.fill else f" ({self.fill})"
        return replace(
            self,
            columns=tuple(self.columns[i] for i in kept),
            rows=tuple(tuple(row[i] for i in kept) for row in self.rows),
            conditions=(*self.conditions, f"Not measured of any file: {names}{command}."),
        )

    @property
    def has_gaps(self) -> bool:
        """Whether a cell was not measured; one line below the table says so of all of them."""
        return any(NOT_MEASURED in row for row in self.rows)

    def markdown(self) -> str:
        """The table as Markdown, conditions below it."""

        def line(cells: tuple[str, ...]) -> str:
            shown = (_GAP if cell == NOT_MEASURED else cell for cell in cells)
            return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in shown) + " |"

        parts = [f"### {self.title}", "", line(self.columns)]
        parts += ["|" + "---|" * len(self.columns), *(line(row) for row in self.rows), ""]
        parts += [f"{c}  " for c in self.conditions]
        if self.has_gaps:
            parts.append(f"{_GAP} {NOT_MEASURED}" + (f": `{self.fill}`" if self.fill else ""))
        return "\n".join(parts).rstrip() + "\n"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot: SVG text and what it shows, in words a screen reader reads."""

    svg: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    photos: tuple[Photo, ...] = field(default_factory=tuple)
    pictures_first: bool = False

    def markdown(self) -> str:
        """The part as Markdown; pictures and plots stand in the HTML page alone."""
        parts = [f"## {self.title}\n", *(f"{t}\n" for t in self.text)]
        parts += [table.markdown() for table in self.tables]
        parts += [f"- {p.name}: {p.detail}" for p in self.photos]
        return "\n".join(parts)


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo on a page: its picture as a data URI (or ""), its name, and what was found of it."""

    name: str
    detail: str
    picture: str = ""
    score: float | None = None


def html(title: str, lead: str, sections: list[Section]) -> str:
    """A whole page, UTF-8, no outside reference."""
    jinja2 = require("jinja2", extra="bench", job="Writing a report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text: str = environment.get_template("page.html.j2").render(
        title=title, lead=lead, sections=sections, not_measured=NOT_MEASURED, gap=_GAP
    )
    return text


def markdown(title: str, lead: str, sections: list[Section]) -> str:
    """The same page as Markdown."""
    return "\n".join([f"# {title}\n", f"{lead}\n", *(s.markdown() for s in sections)])


def thumbnail(photo: Image.Image | NDArray[np.uint8], *, edge: int = 240) -> str:
    """A small JPEG as a data URI.

    Args:
        photo: A picture, or (H, W, 3) uint8.
        edge: Longest edge of the thumbnail, pixels.
    """
    from PIL import Image

    picture = photo if isinstance(photo, Image.Image) else Image.fromarray(photo)
    picture = picture.convert("RGB")
    picture.thumbnail((edge, edge))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def number(value: Any, *, digits: int = 3) -> str:
    """A figure with `digits` significant digits, or "not measured" for None."""
    if value is None:
        return NOT_MEASURED
    text = f"{float(value):.{digits}g}"
    return f"{float(text):.0f}" if "e" in text and abs(float(text)) >= 1 else text


def megabytes(value: int | None) -> str:
    """Bytes as decimal megabytes."""
    return NOT_MEASURED if value is None or value <= 0 else f"{value / 1e6:.1f} MB"


def milliseconds(value: float | None) -> str:
    """Seconds as milliseconds."""
    return NOT_MEASURED if value is None else f"{number(value * 1e3)} ms"
