"""Each tutorial runs as it is written: its blocks in their order, in one empty folder."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support_docs import ROOT, blocks
from test_docs import NOT_RUN, command_lines, unknown
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import RalikitError

FOLDER = ROOT / "docs/tutorials"
NEEDS = {
    "app": ("torch", "onnxscript"),
    "research": ("torch", "onnxscript", "sentence_transformers"),
    "generators": ("torch", "pyarrow"),
}


def _run(page: Path) -> list[str]:
    """Run every block; what the commands printed."""
    said = []
    for block in blocks(page):
        if block.marker.startswith(NOT_RUN):
            continue
        if block.language == "python":
            code = compile(block.text, str(block), "exec")
            exec(code, {"__name__": "__main__"})  # noqa: S102 (our own)
            continue
        assert block.language == "bash", f"{block} is in a language that no tutorial runs"
        for words in command_lines(block.text):
            assert words[0] == "ralikit", f"{block}: {words}"
            done = CliRunner().invoke(app, words[1:])
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                raise done.exception
            assert done.exit_code == 0, (
                f"{block}: {words} ended with {done.exit_code}: {done.output}"
            )
            said.append(done.output)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_a_tutorial_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in NEEDS[name]:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    said = _run(FOLDER / f"{name}.md")
    assert all(said)


def test_what_a_tutorial_imports_exists() -> None:
    asked = [
        f"{node.module}.{name.name}"
        for page in sorted(FOLDER.glob("*.md"))
        for block in blocks(page)
        if block.language == "python"
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ralikit")
        for name in node.names
    ]
    assert "ralikit.reward.Reward" in asked
    assert [name for name in asked if unknown(name)] == []


def test_every_tutorial_is_run_and_in_the_site() -> None:
    assert {page.stem for page in FOLDER.glob("*.md")} == set(NEEDS)
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f"tutorials/{name}.md" in nav for name in NEEDS)


def test_a_tutorial_that_fails_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.md"
    broken.write_text("```bash\nralikit score nothing.png\n```\n", encoding="utf-8")
    monkeypatch.setattr("support_docs.ROOT", tmp_path)
    with pytest.raises((AssertionError, RalikitError), match=r"no photo|ended with"):
        _run(broken)
