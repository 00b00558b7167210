"""Read ralikit's own imports: rooms, arrows, floors and cycles, and one picture of them.

    python docs/tools/architecture.py                          # the figures
    python docs/tools/architecture.py --svg docs/images/architecture.svg
    python docs/tools/architecture.py --src OTHER/src          # the figures of another checkout

Nothing is imported: the source is parsed. `tests/test_layers.py` holds the order that `FLOORS`
declares.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ralikit"

GROUND = (
    "errors",
    "drafts",
    "files",
    "config",
    "progress",
    "extras",
    "printable",
    "malloc",
    "quiet",
    "lines",
    "telemetry",
    "typed",
)
"""Modules that everything stands on; together they are the room `ground`."""

FORMER = {"decode": "photo"}
"""Modules that are only former names, kept for users: each counts as the room it names."""

FLOORS: tuple[tuple[str, ...], ...] = (
    ("ground",),
    ("photo", "metrics", "probes"),
    ("model", "data"),
    ("runtimes",),
    ("models",),
    ("scorer",),
    ("rank", "best", "explain", "reward", "importers", "corpus"),
    ("export",),
    ("train",),
    ("evaluate",),
    ("bench", "analyze"),
    ("report",),
    ("quickstart", "doctor", "demo"),
    ("cli",),
)
"""The rooms from the ground up. A room may import rooms on lower floors and nothing else."""

SAYS = {
    "ground": "errors, files, config",
    "photo": "a file's path to views",
    "metrics": "agreement, bootstrap",
    "probes": "four photos to check",
    "model": "bundle, towers, facts",
    "data": "labels, splits, scenes",
    "runtimes": "what runs a file",
    "models": "mini; resolve(ref)",
    "scorer": "load().score(photo)",
    "rank": "best first, with ties",
    "best": "scenes, best shots",
    "explain": "where it is bad",
    "reward": "a bundle as a loss",
    "importers": "foreign checkpoints",
    "corpus": "shards in, rows out",
    "export": "convert, prove",
    "train": "rali, teacher, describe",
    "evaluate": "SRCC, PLCC, intervals",
    "bench": "sealed records",
    "analyze": "attention, t-SNE",
    "report": "a page from records",
    "quickstart": "all of it, once",
    "doctor": "what is installed",
    "demo": "a page for browsers",
    "cli": "parses, calls, prints",
}


COLUMNS = {
    "cli": 2.5,
    "quickstart": 3.5,
    "doctor": 0.5,
    "demo": 1.5,
    "report": 4.5,
    "bench": 4.5,
    "analyze": 2.5,
    "evaluate": 2,
    "train": 4.5,
    "export": 5.5,
    "rank": 4,
    "best": 5,
    "explain": 2,
    "reward": 0,
    "importers": 3,
    "corpus": 1,
    "scorer": 2,
    "models": 1,
    "runtimes": 2,
    "model": 3,
    "data": 4,
    "photo": 3,
    "metrics": 5,
    "probes": 6,
    "ground": 3.5,
}
"""Where the picture puts each room, in columns from the left; chosen so that few arrows meet."""


@dataclass(frozen=True, kw_only=True, order=True)
class Arrow:
    """One import: `source` needs `target`, both full module names.

    Attributes:
        line: Where it stands in the source's file.
        lazy: It stands inside a function: it runs when that function does.
        typing: It stands under `if TYPE_CHECKING`: it never runs.
    """

    source: str
    target: str
    line: int
    lazy: bool
    typing: bool


def room_of(module: str) -> str:
    """The room of a module: the package's own facade and `__main__` belong to the top, `cli`."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return "cli"
    return "ground" if parts[1] in GROUND else FORMER.get(parts[1], parts[1])


def modules(src: Path) -> dict[str, Path]:
    """Every module under `src`, by its full name."""
    found = {}
    for path in sorted((src / PACKAGE).rglob("*.py")):
        parts = path.relative_to(src).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read_arrows(src: Path) -> list[Arrow]:
    """Every import of one ralikit module by another, in the order of the source."""
    known = modules(src)
    return [
        arrow
        for name, path in known.items()
        for arrow in _arrows_of(name, ast.parse(path.read_text(encoding="utf-8")), known)
    ]


def _arrows_of(name: str, tree: ast.Module, known: Mapping[str, Path]) -> Iterator[Arrow]:
    for node, lazy, typing in _imports(tree, lazy=False, typing=False):
        for target in _targets(node, known):
            if target != name:
                yield Arrow(source=name, target=target, line=node.lineno, lazy=lazy, typing=typing)


def _imports(
    node: ast.AST, *, lazy: bool, typing: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy, typing
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from _imports(child, lazy=lazy, typing=True)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(child, lazy=lazy or inside, typing=typing)


def _targets(node: ast.Import | ast.ImportFrom, known: Mapping[str, Path]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    base = node.module or ""
    if node.level or base.split(".")[0] != PACKAGE:  # the linter forbids relative imports
        return []
    named = {full if (full := f"{base}.{alias.name}") in known else base for alias in node.names}
    return sorted(named & known.keys() - {PACKAGE})  # `__version__` is no arrow to the facade


def between_rooms(arrows: Iterable[Arrow]) -> dict[tuple[str, str], list[Arrow]]:
    """The arrows from one room to another, by the two rooms; imports for types alone left out."""
    found: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in arrows:
        pair = room_of(arrow.source), room_of(arrow.target)
        if pair[0] != pair[1] and not arrow.typing:
            found.setdefault(pair, []).append(arrow)
    return found


def rank_of(room: str) -> int:
    """The floor a room is declared on, 0 the ground.

    Raises:
        KeyError: If `FLOORS` does not name it: a new room needs a place.
    """
    for rank, rooms in enumerate(FLOORS):
        if room in rooms:
            return rank
    raise KeyError(f"{room} has no floor in docs/tools/architecture.py")


def folder_of(module: str, known: Mapping[str, Path]) -> str:
    """The folder that a module's file lies in; of those in ralikit's own folder, the room."""
    folder = module if known[module].name == "__init__.py" else module.rpartition(".")[0]
    return room_of(module) if folder == PACKAGE else folder.removeprefix(f"{PACKAGE}.")


def rings(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of nodes that reach one another (strongly connected, two or more), sorted."""
    reach = _reach(edges)
    groups = {
        tuple(sorted({node} | {other for other in reach[node] if node in reach[other]}))
        for node in reach
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def _reach(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    direct: dict[str, set[str]] = {}
    for source, target in edges:
        direct.setdefault(source, set()).add(target)
        direct.setdefault(target, set())
    reach = {}
    for node in direct:
        seen: set[str] = set()
        todo = list(direct[node])
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo.extend(direct[at])
        reach[node] = seen
    return reach


def longest_chain(edges: Iterable[tuple[str, str]]) -> list[str]:
    """The longest path of imports, from the top; a ring counts as one, its first name."""
    pairs = set(edges)
    first = {node: ring[0] for ring in rings(pairs) for node in ring}
    direct: dict[str, set[str]] = {}
    for source, target in pairs:
        a, b = first.get(source, source), first.get(target, target)
        if a != b:
            direct.setdefault(a, set()).add(b)
    best: dict[str, list[str]] = {}

    def walk(node: str) -> list[str]:
        if node not in best:
            tails = [walk(target) for target in sorted(direct.get(node, ()))]
            best[node] = [node, *max(tails, key=len, default=[])]
        return best[node]

    return max((walk(node) for node in sorted(direct)), key=len, default=[])


def implied(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The downward arrows that a way over other rooms already says; the picture leaves them out."""
    down = {pair for pair in pairs if rank_of(pair[0]) > rank_of(pair[1])}
    reach = _reach(down)
    return {
        (source, target)
        for source, target in down
        if any(target in reach[via] for via in {b for a, b in down if a == source} - {target})
    }


def figures(src: Path) -> list[str]:
    """The figures of a checkout, a line each."""
    known = modules(src)
    arrows = read_arrows(src)
    live = [arrow for arrow in arrows if not arrow.typing]
    pairs = {(folder_of(a.source, known), folder_of(a.target, known)) for a in live}
    folders = {pair for pair in pairs if pair[0] != pair[1]}
    rooms = between_rooms(arrows)
    at_start = {(a.source, a.target) for a in live if not a.lazy}
    any_time = {(a.source, a.target) for a in live}
    chain = longest_chain(at_start)
    return [
        f"modules: {len(known)}; folders: {len({folder_of(m, known) for m in known})}; "
        f"rooms: {len({room_of(m) for m in known})}",
        f"imports of one module by another: {len(any_time)}, of them only inside functions: "
        f"{len(any_time - at_start)}; for types alone: {sum(a.typing for a in arrows)}",
        f"arrows between folders: {len(folders)}",
        f"arrows between rooms: {len(rooms)}, of them only inside functions: "
        f"{sum(all(a.lazy for a in found) for found in rooms.values())}",
        f"floors: {len(chain)} at import, {len(longest_chain(any_time))} with lazy imports",
        f"the longest chain: {' > '.join(name.removeprefix('ralikit.') for name in chain)}",
        f"cycles of modules: {_said(rings(any_time))}",
        f"cycles between folders: {_said(rings(folders))}",
        f"cycles between rooms: {_said(rings(rooms))}",
    ]


def _said(groups: list[list[str]]) -> str:
    return "; ".join(", ".join(group) for group in groups) or "none"


BOX, TALL, COLUMN, ROW, TOP = 140, 46, 152, 88, 58
"""Pixels: a room's width and height, from one column or floor to the next, above the first."""

STYLE = """
.bg{fill:#ffffff}.box{fill:#f5f6f8;stroke:#9aa4b1;stroke-width:1.2}.t{fill:#1c2024;font-weight:600}
.s{fill:#5b6470;font-size:12px}.a{stroke:#2563c9;stroke-width:1.4;fill:none;marker-end:url(#m)}
.h{fill:#2563c9}.lazy{stroke-dasharray:5 4}.up{stroke:#c62828}
@media (prefers-color-scheme:dark){.bg{fill:#14171a}.box{fill:#1d2125;stroke:#5b6470}
.t{fill:#e8eaed}.s{fill:#a3acb8}.a{stroke:#7fb0ff}.h{fill:#7fb0ff}.up{stroke:#ff8a80}}
"""


def draw(arrows: Iterable[Arrow]) -> str:
    """The rooms by floor and the arrows between them, as an SVG text; same imports, same text."""
    rooms = between_rooms(arrows)
    used = {room for pair in rooms for room in pair}
    floors = [[room for room in floor if room in used] for floor in FLOORS[::-1]]
    at = {
        room: (BOX / 2 + 12 + COLUMN * COLUMNS[room], float(TOP + ROW * row))
        for row, floor in enumerate(floor for floor in floors if floor)
        for room in floor
    }
    width = max(x for x, _ in at.values()) + BOX / 2 + 12
    height = max(y for _, y in at.values()) + TALL
    hidden = implied(rooms)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14" aria-label="The rooms of ralikit by '
        'floor; every arrow goes down.">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="m" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="h" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="bg" width="{width:g}" height="{height:g}"/>',
        '<g text-anchor="middle">',
        f'<text class="s" x="{width / 2:g}" y="24">A room imports what its arrows lead to, and all '
        "below that. Dashed: inside a function only.</text>",
        *(
            _arrow(at[source], at[target], found, up=rank_of(source) <= rank_of(target))
            for (source, target), found in sorted(rooms.items())
            if (source, target) not in hidden
        ),
        *(_box(room, x, y) for room, (x, y) in at.items()),
        "</g></svg>",
    ]
    return "\n".join(lines) + "\n"


def _box(room: str, x: float, y: float) -> str:
    return (
        f'<rect class="box" x="{x - BOX / 2:g}" y="{y - 18:g}" width="{BOX}" height="{TALL}" '
        f'rx="8"/><text class="t" x="{x:g}" y="{y:g}">{escape(room)}</text>'
        f'<text class="s" x="{x:g}" y="{y + 18:g}">{escape(SAYS[room])}</text>'
    )


def _arrow(
    start: tuple[float, float], end: tuple[float, float], found: list[Arrow], *, up: bool
) -> str:
    (x1, y1), (x2, y2) = start, end
    lean = max(-46.0, min(46.0, (x2 - x1) / 3))  # leave and arrive towards the other end
    kind = "a" + " lazy" * all(arrow.lazy for arrow in found) + " up" * up
    if y1 < y2:
        y1, y2 = y1 + TALL - 18, y2 - 20
    else:
        y1, y2 = y1 - 18, y2 + TALL - 16
    x1, x2 = x1 + lean, x2 - lean
    middle = (y1 + y2) / 2
    return (
        f'<path class="{kind}" d="M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} '
        f'{middle:.0f} {x2:.0f} {y2:.0f}"/>'
    )


def main() -> None:
    """Print the figures, and write the picture where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--src", type=Path, default=ROOT / "src")
    parser.add_argument("--svg", type=Path, help="write the picture here")
    words = parser.parse_args()
    print("\n".join(figures(words.src)))
    if words.svg:
        words.svg.write_text(draw(read_arrows(words.src)), encoding="utf-8")


if __name__ == "__main__":
    main()
