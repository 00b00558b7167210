"""Break formulas one at a time and see whether a test notices.

    python tests/mutation/run.py                # all of mutations.toml, with the tests each names
    python tests/mutation/run.py ema cosine     # those whose name holds one of the words

Each mutation replaces one piece of text, which must stand in its file exactly once, in a copy of
the package; the tests run against the copy. One that no test notices has survived: exit code 1.
General tools (mutmut, cosmic-ray) make thousands of small changes; with tests that train networks
one of them takes minutes, so what is broken here is chosen: formulas of the papers, one a mutation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutations.toml")
_LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One broken formula.

    Attributes:
        name: Short name.
        file: Below src/ralikit.
        old: Text that stands there once.
        new: What takes its place.
        tests: Paths, perhaps with a test's name, that should notice.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def read() -> list[Mutation]:
    """The list, each checked against the code as it is."""
    found = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutation"]
    mutations = [Mutation(**{**entry, "tests": tuple(entry["tests"])}) for entry in found]
    for mutation in mutations:
        text = (ROOT / "src" / "ralikit" / mutation.file).read_text(encoding="utf-8")
        if text.count(mutation.old) != 1:
            raise SystemExit(
                f"{mutation.name}: its text stands {text.count(mutation.old)} times in "
                f"{mutation.file}, expected once; the code has changed: mend {LIST.name}"
            )
    return mutations


def noticed_by(mutation: Mutation, copy: Path) -> str | None:
    """The first test that fails once the formula is broken; None: it survived."""
    file = copy / "ralikit" / mutation.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.tests],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {_LIMIT_S} s"
    finally:
        file.write_text(text, encoding="utf-8")
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"{mutation.name}: the tests did not run:\n{done.stdout}{done.stderr}")
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed[1].removeprefix("tests/") if failed else "an error before any test"


def main() -> int:
    """Run what was asked for."""
    words = sys.argv[1:]
    mutations = [m for m in read() if not words or any(word in m.name for word in words)]
    survivors = []
    with tempfile.TemporaryDirectory(prefix="ralikit-mutation-") as folder:
        copy = Path(folder)
        shutil.copytree(
            ROOT / "src" / "ralikit",
            copy / "ralikit",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for mutation in mutations:
            begun = time.perf_counter()
            test = noticed_by(mutation, copy)
            survivors += [mutation.name] if test is None else []
            verdict = "SURVIVED" if test is None else f"noticed by {test}"
            print(f"{mutation.name}: {verdict} ({time.perf_counter() - begun:.0f} s)", flush=True)
    print(f"{len(mutations)} mutations, {len(survivors)} survived {', '.join(survivors)}".rstrip())
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
