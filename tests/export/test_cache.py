"""What an export keeps is named by everything it depends on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ralikit.export.cache import Arrays, cached, code_hash


def _package(root: Path, **sources: str) -> Path:
    for name, text in sources.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    code_hash.cache_clear()
    return root


def _hash(root: Path) -> str:
    return code_hash("ralikit.a", root=root)


def test_the_code_is_a_module_and_all_that_it_imports(tmp_path: Path) -> None:
    sources = {
        "a": "def late():\n    from ralikit.deep import b\n    return b",
        "deep__b": "from ralikit.c import C",
        "c": "C = 1",
        "other": "import ralikit.a",
    }
    first = _hash(_package(tmp_path, **sources))
    assert first == _hash(_package(tmp_path, **sources))
    assert first == _hash(_package(tmp_path, other="A = 2"))  # it imports, and is not imported
    for name in ("a", "deep__b", "c"):
        changed = _hash(_package(tmp_path, **(sources | {name: f"{sources[name]}\n# changed"})))
        assert changed != first, name
    assert first == _hash(_package(tmp_path, **sources))


def test_a_module_that_moves_stays_part_of_it(tmp_path: Path) -> None:
    root = _package(tmp_path, a="from ralikit.c import C", c="C = 1")
    before = _hash(root)
    (root / "c.py").unlink()
    moved = _hash(_package(root, a="from ralikit.below.c import C", below__c="C = 1"))
    assert moved != before
    assert _hash(_package(root, below__c="C = 2")) != moved


def test_what_makes_references_depends_on_towers_and_read_out() -> None:
    from ralikit.export import cache
    from ralikit.export.gate import gate

    seen, waiting = set(), [gate.__name__]
    while waiting:
        name = waiting.pop()
        path = cache._source(name, Path(cache.__file__).parents[1])
        if name in seen or path is None:
            continue
        seen.add(name)
        waiting += cache._imported(path.read_bytes())
    needed = {"model.head", "model.folded", "model.towers.clip", "photo.resample"}
    assert {f"ralikit.{name}" for name in needed} <= seen


def test_other_code_makes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls: list[int] = []

    def make() -> Arrays:
        calls.append(1)
        return {"x": np.arange(3, dtype=np.float64)}

    for module in ("ralikit.files", "ralikit.files", "ralikit.config"):
        np.testing.assert_array_equal(
            cached("thing", {"photos": "p"}, make, code=module)["x"], np.arange(3.0)
        )
    assert len(calls) == 2
