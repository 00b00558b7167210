"""mkdocs hooks: pages made from what the repository has, so that nothing is written twice.

The start page is README.md; every room of the library gets a page of its reference; links to files
outside docs/ become plain text, because the site does not carry them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
from architecture import FLOORS, ROOT, modules, room_of


def pages() -> dict[str, list[str]]:
    """Public modules by room, the rooms from the ground up: the reference has one page a room."""
    rooms: dict[str, list[str]] = {room: [] for floor in FLOORS for room in floor}
    for name in modules(ROOT / "src"):
        if not any(part.startswith("_") for part in name.split(".")):
            rooms[room_of(name)].append(name)
    return rooms


def on_config(config: Any) -> Any:
    """Put the reference's pages into the navigation."""
    config["nav"].append(
        {"Reference": ["reference/index.md", *map("reference/{}.md".format, pages())]}
    )
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the start page and the reference."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    listing = ["# Reference", "", "Made from the docstrings, a page a room.", ""]
    for room, names in pages().items():
        text = f"# {room}\n\n" + "".join(f"::: {name}\n\n" for name in names)
        files.append(File.generated(config, f"reference/{room}.md", content=text))
        listing.append(f"- [{room}]({room}.md): {len(names)} modules")
    files.append(File.generated(config, "reference/index.md", content="\n".join(listing) + "\n"))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links that leave the site into their text and path."""
    here = Path(page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        text, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match.group(0)
        path = _normal(here / target.partition("#")[0])
        return match.group(0) if files.get_file_from_path(path) else text

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", link, markdown)


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
