"""Imports go one way: a room of src/ralikit needs lower floors only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support_docs import ROOT, script

architecture = script("docs/tools/architecture.py")

ALLOWED: dict[tuple[str, str], str] = {}
"""Arrows between rooms that may run up, each with its reason. They must be inside functions."""


def arrows() -> list[Any]:
    found: list[Any] = architecture.read_arrows(ROOT / "src")
    return found


def test_every_room_has_one_floor() -> None:
    rooms = {architecture.room_of(name) for name in architecture.modules(ROOT / "src")}
    declared = [room for floor in architecture.FLOORS for room in floor]
    assert len(declared) == len(set(declared))
    assert rooms == set(declared) == set(architecture.SAYS) == set(architecture.COLUMNS)


def test_arrows_go_down() -> None:
    wrong = []
    for (source, target), found in architecture.between_rooms(arrows()).items():
        down = architecture.rank_of(source) > architecture.rank_of(target)
        excused = (source, target) in ALLOWED and all(arrow.lazy for arrow in found)
        if not down and not excused:
            wrong += [f"{arrow.source}:{arrow.line} imports {arrow.target}" for arrow in found]
    assert not wrong, "; ".join(wrong)


def test_an_allowance_that_nothing_needs_goes() -> None:
    assert set(ALLOWED) <= set(architecture.between_rooms(arrows()))


def test_rooms_form_no_ring() -> None:
    pairs = [pair for pair in architecture.between_rooms(arrows()) if pair not in ALLOWED]
    assert architecture.rings(pairs) == []


def test_modules_form_no_ring() -> None:
    # Neither as they load nor later: an import inside a function hides a ring, it opens none.
    run = [arrow for arrow in arrows() if not arrow.typing]
    assert architecture.rings((arrow.source, arrow.target) for arrow in run) == []


def test_types_alone_look_up_no_further_than_the_code() -> None:
    # An import for types does not run, but it says what a room must know: the same order holds.
    wrong = [
        f"{arrow.source}:{arrow.line}"
        for arrow in arrows()
        if arrow.typing
        and architecture.rank_of(architecture.room_of(arrow.source))
        < architecture.rank_of(architecture.room_of(arrow.target))
    ]
    assert not wrong


def test_the_picture_is_the_codes() -> None:
    drawn = (ROOT / "docs/images/architecture.svg").read_text(encoding="utf-8")
    assert drawn == architecture.draw(architecture.read_arrows(ROOT / "src")), (
        "run: python docs/tools/architecture.py --svg docs/images/architecture.svg"
    )


def made_up(tmp_path: Path, **files: str) -> Path:
    package = tmp_path / "ralikit"
    for name, text in files.items():
        path = package / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_reader_tells_the_kinds_of_import_apart(tmp_path: Path) -> None:
    src = made_up(
        tmp_path,
        errors="",
        photo__views=(
            "from typing import TYPE_CHECKING\n"
            "from ralikit import __version__, errors\n"
            "if TYPE_CHECKING:\n"
            "    from ralikit.train import run\n"
            "def view():\n"
            "    from ralikit.export.pipeline import convert\n"
        ),
        train__run="import ralikit.photo.views\n",
        export__pipeline="from ralikit.photo.views import view\n",
    )
    found = {
        (a.source.removeprefix("ralikit."), a.target.removeprefix("ralikit."), a.lazy, a.typing)
        for a in architecture.read_arrows(src)
    }
    assert found == {
        ("photo.views", "errors", False, False),
        ("photo.views", "train.run", False, True),
        ("photo.views", "export.pipeline", True, False),
        ("train.run", "photo.views", False, False),
        ("export.pipeline", "photo.views", False, False),
    }
    rooms = architecture.between_rooms(architecture.read_arrows(src))
    assert architecture.rings(rooms) == [["export", "photo"]]


def test_chains_and_implied_arrows() -> None:
    ring = [("a", "b"), ("b", "a"), ("b", "c")]
    assert architecture.longest_chain([("a", "b"), ("b", "c"), ("a", "c")]) == ["a", "b", "c"]
    assert architecture.longest_chain(ring) == ["a", "c"]
    assert architecture.rings(ring) == [["a", "b"]]
    rooms = [("cli", "export"), ("export", "photo"), ("cli", "photo")]
    assert architecture.implied(rooms) == {("cli", "photo")}
