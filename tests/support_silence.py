"""Run a command in an empty home folder and say what it left there and whom it called.

Two witnesses: Python's audit events, in the command's process and every Python it starts, and
strace for native code, where it is installed and allowed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support_docs import ROOT

_HOOK = """\
import os, sys
def _note(event, arguments):
    if event in EVENTS:
        with open(os.environ["SILENCE_LOG"], "a") as log:
            log.write(f"{event} {arguments!r}" + chr(10))
EVENTS = {"socket." + e for e in
    ("connect", "sendto", "sendmsg", "getaddrinfo", "gethostbyname", "gethostbyaddr")}
sys.addaudithook(_note)
"""
_STRACE = (
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-e",
    "trace=connect,sendto,sendmsg",
    "-s",
    "80",
    "-o",
)
_OWN = ("PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LANG")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one command did.

    Attributes:
        files: What its home folder holds afterwards, relative to it.
        calls: Connections, look-ups and datagrams, as the witnesses put them; local sockets not.
    """

    code: int
    stdout: str
    stderr: str
    files: tuple[str, ...]
    calls: tuple[str, ...]


@cache
def strace_works() -> bool:
    """Whether native code's calls can be watched here."""
    if shutil.which("strace") is None:
        return False
    return (
        subprocess.run([*_STRACE, os.devnull, "true"], check=False, capture_output=True).returncode
        == 0
    )


def run_silently(folder: Path, *words: str, **environment: str) -> Run:
    """Run Python with `words` in a bare environment and an empty home under `folder`.

    Args:
        environment: Variables beside the bare ones.
    """
    home, hook = folder / "home", folder / "hook"
    home.mkdir(parents=True)
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_HOOK, encoding="utf-8")
    log, trace = folder / "audit.log", folder / "strace.log"
    watcher = [*_STRACE, str(trace)] if strace_works() else []
    done = subprocess.run(
        [*watcher, sys.executable, *words],
        env={
            **{name: os.environ[name] for name in _OWN if name in os.environ},
            "PYTHONPATH": os.pathsep.join((str(hook), str(ROOT / "src"))),
            "SILENCE_LOG": str(log),
            "HOME": str(home),
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    calls = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    if trace.exists():
        text = trace.read_text(encoding="utf-8", errors="replace")
        calls += [line for line in text.splitlines() if "AF_INET" in line]
    return Run(
        code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        files=tuple(sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())),
        calls=tuple(calls),
    )
