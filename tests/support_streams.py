"""Command lines with streams that are closed, full or read by nobody: many, from one process.

A command line takes a third of a second to import, and there are hundreds to try. Run as a program,
this module imports it once and forks for each job: ``python support_streams.py JOBS.json``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_AT_ONCE = 3
_PROGRESS = re.compile(r"^ralikit: .*: .* (so far|left|now)\n", re.MULTILINE)
"""What is told every ten seconds: on a slow computer now and then, and no part of an outcome."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command line, and what its standard output and error are: file, closed, full or unread."""

    words: tuple[str, ...]
    out: str = "file"
    err: str = "file"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How it ended; what a stream that was no file took is empty."""

    code: int
    out: str
    err: str


def run_jobs(jobs: list[Job], folder: Path) -> list[Ended]:
    """Run command lines, each in a process of its own, a few at a time."""
    listing = folder / "jobs.json"
    listing.write_text(json.dumps([[job.words, job.out, job.err] for job in jobs]))
    done = subprocess.run(
        [sys.executable, __file__, str(listing)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout)
    return [
        Ended(
            code=codes[i],
            out=(folder / f"{i}.out").read_text(),
            err=_PROGRESS.sub("", (folder / f"{i}.err").read_text()),
        )
        for i in range(len(jobs))
    ]


def _redirect(descriptor: int, state: str, file: Path) -> None:
    file.write_bytes(b"")
    if state == "closed":
        os.close(descriptor)
        return
    if state == "unread":
        end, new = os.pipe()
        os.close(end)
    else:
        new = os.open("/dev/full" if state == "full" else file, os.O_WRONLY)
    os.dup2(new, descriptor)
    os.close(new)


def _become(words: list[str], out: str, err: str, stem: Path) -> NoReturn:
    """What the interpreter finds at its start, then the command line itself."""
    from ralikit.cli import main

    _redirect(1, out, stem.with_suffix(".out"))
    _redirect(2, err, stem.with_suffix(".err"))
    for name, number, state in (("stdout", 1, out), ("stderr", 2, err)):
        errors = "strict" if number == 1 else "backslashreplace"
        stream = (
            None
            if state == "closed"
            else open(number, "w", closefd=False, encoding="utf-8", errors=errors)  # noqa: SIM115
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = ["ralikit", *words]
    main()
    raise AssertionError("main exits")


def _serve(listing: Path) -> None:
    import typer
    from typer.testing import CliRunner

    from ralikit.cli import app

    # What every child would make again: the tree of commands, and what draws a page of help.
    tree = typer.main.get_command(app)
    typer.main.get_command = lambda typer_instance: tree
    assert CliRunner().invoke(app, ["doctor", "--help"]).exit_code == 0
    jobs = json.loads(listing.read_text())
    running: dict[int, int] = {}
    codes = [0] * len(jobs)
    for number, job in enumerate([*jobs, *[None] * _AT_ONCE]):
        if len(running) == _AT_ONCE or (job is None and running):
            child, status = os.wait()
            codes[running.pop(child)] = os.waitstatus_to_exitcode(status)
        if job is not None:
            child = os.fork()
            if child == 0:
                words, out, err = job
                _become(words, out, err, listing.with_name(str(number)))
            running[child] = number
    print(json.dumps(codes))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
