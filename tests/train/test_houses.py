"""RALI and the teachers are two houses: whoever trains the one loads nothing of the other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ralikit import train

ROOT = Path(train.__file__).parent


def imported(folder: str) -> set[str]:
    """Modules that the files of a folder below train/ import, at their top or inside functions."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize(
    ("house", "strangers"),
    [
        ("rali", ("teacher", "describe.teacher", "ract")),
        ("teacher", ("rali", "describe", "ract")),
        ("describe", ("rali", "ract")),
    ],
)
def test_a_house_imports_no_other(house: str, strangers: tuple[str, ...]) -> None:
    modules = imported(house)
    assert any(name.startswith("ralikit.") for name in modules)
    for stranger in strangers:
        name = f"ralikit.train.{stranger}"
        assert not {m for m in modules if m == name or m.startswith(f"{name}.")}


def test_rules_import_no_teacher() -> None:
    # RALI describes by rules; the teacher beside them is loaded by those who ask one.
    tree = ast.parse((ROOT / "describe" / "rules.py").read_text(encoding="utf-8"))
    modules = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not {m for m in modules if "teacher" in m}
