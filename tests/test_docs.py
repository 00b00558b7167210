"""The documentation is held to the code: blocks run or say why not, commands parse, names exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from support_docs import PAGES, ROOT, Block, blocks, prose, spans

from ralikit.cli import app

NOT_RUN = "not run: "
BY_CI = {"quickstart command", "test command"}
"""Markers of the README's commands: the second is read and run by .ci/run."""
SHELL = {"", "bash", "sh"}
BLOCKS = [block for page in PAGES for block in blocks(page)]
LAUNCHERS = {"torchrun", "accelerate"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def checked(block: Block) -> bool:
    return not block.marker.startswith(NOT_RUN) and block.marker not in BY_CI


def of(*languages: str) -> list[Any]:
    picked = [b for b in BLOCKS if b.language in languages and checked(b)]
    return [pytest.param(block, id=str(block)) for block in picked]


def test_every_block_is_checked_or_says_why_not() -> None:
    unread = [
        str(b)
        for b in BLOCKS
        if checked(b) and b.language not in {"python", "toml", "json", *SHELL}
    ]
    assert not unread, f"{unread} are in a language that no test reads: mark them '{NOT_RUN}REASON'"
    reasons = [b.marker.removeprefix(NOT_RUN) for b in BLOCKS if b.marker.startswith(NOT_RUN)]
    assert all(len(reason.split()) > 2 for reason in reasons), "a reason is a sentence"


IN_ORDER = "docs/tutorials/"
"""Pages whose blocks build on each other: tests/test_tutorials.py runs them in a row."""


@pytest.mark.parametrize(
    "block", [p for p in of("python") if not p.values[0].page.startswith(IN_ORDER)]
)
def test_python_blocks_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[0:300, 0:400]
    picture = Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))
    for name in ("photo.jpg", "b.png"):
        picture.save(tmp_path / name)
    if ".heic" in block.text:
        pytest.importorskip("pillow_heif").from_pillow(picture).save(tmp_path / "a.heic")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})  # noqa: S102 (our own)


@pytest.mark.parametrize("block", of("toml"))
def test_toml_blocks_parse(block: Block) -> None:
    tomllib.loads(block.text)


@pytest.mark.parametrize("block", of("json"))
def test_json_blocks_parse(block: Block) -> None:
    json.loads(block.text)


def command_lines(text: str) -> list[list[str]]:
    """The words of each command of a shell block; continued lines are joined, comments dropped."""
    joined = text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    return [words for words in lines if words]


def named(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words name, and the words left for it.

    Raises:
        AssertionError: If a group has no such command.
    """
    command: Any = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"ralikit has no command {rest[0]!r} in {words}"
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def options_of(command: Any) -> set[str]:
    own = {flag for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    return own | {"-h", "--help"}


def check_command(words: list[str]) -> None:
    """A whole `ralikit` line: options exist and have values; none is missing."""
    command, rest = named(words)
    if {"-h", "--help", "--version"} & set(rest) or hasattr(command, "commands"):
        return
    context = command.context_class(command, info_name=words[1])
    given, _, _ = command.make_parser(context).parse_args(list(rest))
    if "…" not in rest:
        missing = [p.name for p in command.params if p.required and not given.get(p.name)]
        assert not missing, f"{words} lacks {missing}"


def check_line(words: list[str]) -> None:
    """A line of a shell block: ralikit, perhaps behind a launcher; a script here; an install.

    Raises:
        AssertionError: If it is none of these, or names what is not there.
    """
    if "ralikit" in words[1:] and words[0] in LAUNCHERS:
        check_command(words[words.index("ralikit") :])
    elif words[0] == "ralikit":
        check_command(words)
    elif words[:2] == ["pip", "install"]:
        extras = set(re.findall(r"[\w-]+", " ".join(re.findall(r"\[(.*?)\]", " ".join(words)))))
        assert extras <= set(PROJECT["project"]["optional-dependencies"]), words
    else:
        assert words[0] in {"python", "bash"}, f"say why {words[0]!r} is not checked"
        assert words[1] == "-m" or (ROOT / words[1]).is_file(), words


@pytest.mark.parametrize("block", of(*SHELL))
def test_commands_parse(block: Block) -> None:
    for words in command_lines(block.text):
        check_line(words)


def alternatives(words: list[str]) -> list[list[str]]:
    """`train align | fit` names two commands: one list of words for each."""
    if "|" not in words:
        return [words]
    at = words.index("|")
    head, others = words[: at - 1], [words[at - 1]]
    while at < len(words) and words[at] == "|":
        others.append(words[at + 1])
        at += 2
    return [[*head, other, *words[at:]] for other in others]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_prose_exist(page: Path) -> None:
    for span in spans(page):
        if not re.match(r"ralikit [a-z-]", span):
            continue
        for words in alternatives(span.replace("[", " ").replace("]", " ").split()):
            command, rest = named(words)
            flags = {word.partition("=")[0] for word in rest if word.startswith("-")}
            assert flags <= options_of(command), f"{span}: {flags - options_of(command)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(page))
    missing = [
        link
        for link in links
        if "://" not in link
        and not link.startswith("mailto:")
        and not (page.parent / link).exists()
    ]
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for span in spans(page):
        top = span.split("/")[0]
        is_path = re.fullmatch(r"[\w.*-]+(/[\w.*-]+)+/?", span) and top in folders
        placeholder = re.search(r"\b[A-Z]{4,}\b", span)
        if is_path and not placeholder and not any(ROOT.glob(span.rstrip("/"))):
            missing.append(span)
    assert not missing


def defined(tree: ast.Module | ast.ClassDef) -> set[str]:
    """Names that a module or a class binds at its own level, imports for types included."""
    names: set[str] = set()
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        node = todo.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names |= {
                    n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)
                }
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.If() | ast.Try() | ast.With():
                todo += node.body
            case _:
                pass
    return names


def unknown(name: str) -> bool:
    """Whether a dotted name leads to nothing under src."""
    at, parts = ROOT / "src", name.split(".")
    while parts and (at / parts[0]).is_dir():
        at /= parts.pop(0)
    if parts and (at / f"{parts[0]}.py").is_file():
        file = at / f"{parts.pop(0)}.py"
    else:
        file = at / "__init__.py"
    inside: ast.Module | ast.ClassDef = ast.parse(file.read_text(encoding="utf-8"))
    for part in parts:
        if part not in defined(inside):
            return True
        classes = [n for n in inside.body if isinstance(n, ast.ClassDef) and n.name == part]
        if not classes:
            return False
        inside = classes[0]
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w./-])ralikit(?:\.[A-Za-z_]\w*)+", text)) - {
        "ralikit.json",
        "ralikit.digest",
    }
    assert sorted(name for name in names if unknown(name)) == []


def test_a_name_that_is_gone_is_found() -> None:
    assert not unknown("ralikit.load")
    assert not unknown("ralikit.scorer.Scorer.score")
    assert unknown("ralikit.scorer.Scorer.guess")
    assert unknown("ralikit.guess")


def test_a_wrong_option_is_found() -> None:
    check_command(["ralikit", "score", "photo.jpg", "--json"])
    with pytest.raises(Exception, match="No such option"):
        check_command(["ralikit", "score", "photo.jpg", "--jason"])
    with pytest.raises(AssertionError, match="no command"):
        check_command(["ralikit", "scrore", "photo.jpg"])
    assert alternatives(["ralikit", "train", "align", "|", "fit", "--recipe", "F"]) == [
        ["ralikit", "train", "align", "--recipe", "F"],
        ["ralikit", "train", "fit", "--recipe", "F"],
    ]


def test_the_contract_names_every_field() -> None:
    from dataclasses import fields

    from ralikit.model.bundle import BundleInfo, Scale
    from ralikit.photo.views import Preprocess

    text = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    wanted = {f.name for kind in (BundleInfo, Scale, Preprocess) for f in fields(kind)}
    assert sorted(name for name in wanted if f"`{name}`" not in text) == []


def test_decisions_are_listed_and_short() -> None:
    folder = ROOT / "docs/decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(folder.glob("[0-9]*.md"))
    assert [path.name[:3] for path in records] == [f"{n:03}" for n in range(1, len(records) + 1)]
    for path in records:
        assert f"({path.name})" in listed
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30, path.name
