"""Every command, with every stream closed, full or read by nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from support_scorer import brightness_bundle
from support_streams import Ended, Job, run_jobs

from ralikit.cli import app

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors as POSIX has them")
LOST = {
    "closed": "ralikit: cannot write to standard output: it is closed\n",
    "full": "ralikit: cannot write to standard output: No space left on device\n",
    "unread": "",
}


def commands() -> list[tuple[str, ...]]:
    """Every command there is."""

    def below(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield path
        for name, child in (children or {}).items():
            yield from below(child, (*path, name))

    return sorted(below(typer.main.get_command(app), ()))


def check(jobs: list[Job], folder: Path) -> list[Ended]:
    """Run each job whole and with its streams; return how the whole ones ended.

    Lost output makes a success a failure, in one line; nothing else may differ.
    """
    whole = list(dict.fromkeys(Job(words=job.words) for job in jobs))
    ended = run_jobs([*whole, *jobs], folder)
    right = dict(zip(whole, ended, strict=False))
    for job, got in zip(jobs, ended[len(whole) :], strict=True):
        wanted = right[Job(words=job.words)]
        code, said = wanted.code, wanted.err
        if code == 0 and wanted.out and job.out in LOST and LOST[job.out]:
            code, said = 1, wanted.err + LOST[job.out]
        assert got.code == code, f"{job}: exit {got.code} for {code}; {got.err}"
        assert got.out == (wanted.out if job.out == "file" else ""), job
        assert got.err == (said if job.err == "file" else ""), job
    return list(right.values())


def test_every_command_with_every_stream(tmp_path: Path) -> None:
    # Three runs of each meet all six states; what is said meanwhile, real work below shows.
    every = commands()
    assert len(every) > 20
    helped = [
        Job(words=(*words, "--help"), out=out, err=err)
        for words in every
        for out, err in (("closed", "unread"), ("full", "closed"))
    ]
    refused = [Job(words=(*words, "--no-such"), out="unread", err="full") for words in every]
    ended = run_jobs([*helped, *refused], tmp_path)
    assert {got.code for got in ended[: len(helped)]} == {1}
    assert {got.code for got in ended[len(helped) :]} == {2}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, labels and a model small enough to score in a moment."""
    root = tmp_path_factory.mktemp("work")
    brightness_bundle(root / "model")
    for i in range(6):
        Image.new("RGB", (32, 24), (i * 40,) * 3).save(root / f"{i}.png")
    rows = "".join(f"{i}.png,{i}\n" for i in range(6))
    (root / "labels.csv").write_text(f"file,mos\n{rows}")
    return root


def test_real_work_with_every_stream(work: Path, tmp_path: Path) -> None:
    model, labels = ("--model", str(work / "model")), str(work / "labels.csv")
    scorer, root = str(work / "model" / "scorer.onnx"), ("--root", str(work))
    photo, gone = str(work / "5.png"), str(work / "gone.png")
    scale = ("--mos-range", "0,5", "--resamples", "20")
    lines = [
        ("score", photo, gone, "--json", *model),
        ("score", photo, "--csv", *model),
        ("rank", str(work), *model),
        ("doctor", "--json"),
        ("verify", scorer, "--json"),
        ("eval", scorer, "--meta", labels, *root, *scale, "--json"),
        ("data", "check", labels, *root, "--json"),
        ("report", gone),
    ]
    streams = [("closed", "file"), ("unread", "full"), ("file", "closed")]
    jobs = [Job(words=words, out=out, err=err) for words in lines for out, err in streams]
    codes = []
    for words, ended in zip(lines, check(jobs, tmp_path), strict=True):
        assert "Traceback" not in ended.err
        assert ended.err.count("\n") <= 1, ended.err
        codes.append(ended.code)
        if "--json" in words:
            json.loads(ended.out)
    assert codes == [1, 0, 0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("score {0} 2>&-", 0, ""),
        ("score {0} >&-", 1, LOST["closed"]),
        ("score {0} >&- 2>&-", 1, ""),
        ("score {0} gone.png --json 2>&-", 1, ""),
        ("doctor <&- >/dev/full", 1, LOST["full"]),
    ],
)
def test_as_a_shell_starts_it(work: Path, line: str, code: int, err: str) -> None:
    command = f"'{sys.executable}' -m ralikit " + line.format("5.png")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=work)
    assert (done.returncode, done.stderr) == (code, err)
    if "--json" in line:
        assert [e["photo"] for e in json.loads(done.stdout)["errors"]] == ["gone.png"]


def test_a_reader_that_has_enough_is_no_failure(work: Path, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes((work / "5.png").read_bytes())
    many = tmp_path / "many"
    many.mkdir()
    for index in range(3000):
        (many / f"{index:04}.png").symlink_to(tmp_path / "one.png")
    score = f"'{sys.executable}' -m ralikit score '{many}' --model '{work / 'model'}'"
    line = f"set -o pipefail; {score} | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
