"""No command is silent for long: all of them, read as they are written.

A call of the library stands inside a block that shows progress (`cli.progress`), or its name is
declared quick below. Whoever adds a command has to say which it is.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from types import FunctionType
from typing import Any

import typer

from ralikit.cli import app

SHORT = {"doctor"}
"""Commands that show no progress: a look at what is installed, under two seconds."""

SHOWS = {"progress", "track", "_watched"}
"""What opens a block in which progress is shown."""

# fmt: off
QUICK = {
    "resolve", "read_bundle", "open_bundle", "everyday", "published_set", "tower_class",
    "read_preset", "parse_outputs", "check_quality", "rank", "find_scenes", "find_photos",
    "best_photos", "bench_photos", "model_file", "serving", "read_toml", "from_mapping",
    "to_mapping", "to_json", "read_samples", "good_photos", "read_triplets", "read_meta",
    "read", "list_photos", "load_set", "taught_prompt", "taught_pixels", "get_prompt",
    "mode_named", "require", "leave", "examine", "append", "write", "write_text", "records",
    "refuse_existing", "size_bytes", "printable", "table", "paper_table", "average_tables",
    "method", "differences", "notes", "html", "markdown", "matched", "regressions", "publish",
    "draft_folder", "draw_map", "plot_shares", "plot_spreads", "figures", "typed",
}
# fmt: on
"""Library calls that take under five seconds of any input, or write what was worked out before."""


def _commands() -> dict[str, FunctionType]:
    def below(command: Any, path: str) -> Iterator[tuple[str, FunctionType]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield path, inspect.unwrap(command.callback)
        for name, child in (children or {}).items():
            yield from below(child, f"{path} {name}".strip())

    return dict(below(typer.main.get_command(app), ""))


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


class _Reading:
    """What a command calls of the library with no progress shown."""

    def __init__(self, module: str, name: str) -> None:
        self.shows, self.silent = False, set[str]()
        self._seen: set[tuple[str, str]] = set()
        self._function(module, name)

    def _function(self, module: str, name: str) -> None:
        own = {n.name: n for n in _tree(module).body if isinstance(n, ast.FunctionDef)}
        if (module, name) in self._seen or name not in own:
            return
        self._seen.add((module, name))
        self._read(own[name].body, module, _imports(_tree(module)), set(own))

    def _read(self, nodes: Any, module: str, known: dict[str, str], own: set[str]) -> None:
        for node in nodes:
            if isinstance(node, ast.With) and any(map(_opens, node.items)):
                self.shows = True
                continue
            if isinstance(node, ast.FunctionDef):
                continue  # it works where it is handed to
            if isinstance(node, ast.Call):
                self._call(node, module, known, own)
            self._read(ast.iter_child_nodes(node), module, known, own)

    def _call(self, node: ast.Call, module: str, known: dict[str, str], own: set[str]) -> None:
        root, name = node.func, ""
        while isinstance(root, ast.Attribute):
            name, root = name or root.attr, root.value
        if not isinstance(root, ast.Name):
            return
        origin = known.get(root.id)
        name = name or root.id
        if root.id in own:
            self._function(module, root.id)
        elif origin is not None and origin.startswith("ralikit.cli"):
            self._function(origin, name)
        elif origin is not None and not name[0].isupper():
            self.silent.add(known.get(f"as {name}", name))


def _imports(tree: ast.Module) -> dict[str, str]:
    """Names that come from ralikit, and the module that each comes from."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ralikit"):
            for alias in node.names:
                found[alias.asname or alias.name] = node.module or ""
                found[f"as {alias.asname}"] = alias.name
    return found


def _opens(item: ast.withitem) -> bool:
    calls = (node for node in ast.walk(item) if isinstance(node, ast.Call))
    return any(getattr(call.func, "id", "") in SHOWS for call in calls)


def test_what_takes_long_shows_how_far_it_is() -> None:
    commands = _commands()
    assert len(commands) > 25
    assert set(commands) > SHORT
    used = set[str]()
    for command, function in commands.items():
        reading = _Reading(function.__module__, function.__name__)
        assert reading.shows == (command not in SHORT), command
        unknown = reading.silent - QUICK
        assert not unknown, f"{command} works with no progress shown: {sorted(unknown)}"
        used |= reading.silent
    assert used >= QUICK, f"declared quick, and called by no command: {sorted(QUICK - used)}"
