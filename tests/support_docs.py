"""The repository as its documentation sees it: the checkout, its pages, and its own scripts."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/**/*.md")]
)
"""What is held to be true of the code; the changelog tells of the past and is left out."""


def script(path: str) -> ModuleType:
    """A script of the repository as a module, by its path from the root."""
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The page, from the root.
        line: Line of its fence.
        language: What stands behind the fence, or "".
        text: The lines between the fences.
        marker: The HTML comment on the line before the fence, or "".
    """

    page: str
    line: int
    language: str
    text: str
    marker: str

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        comment = re.fullmatch(r"<!-- (.*) -->", lines[start - 1]) if start else None
        found.append(
            Block(
                page=str(page.relative_to(ROOT)),
                line=start + 1,
                language=lines[start].removeprefix("```").strip(),
                text="\n".join(lines[start + 1 : number]) + "\n",
                marker=comment.group(1) if comment else "",
            )
        )
        start = None
    assert start is None, f"{page} leaves a fence open"
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """The inline code of a page's prose."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
