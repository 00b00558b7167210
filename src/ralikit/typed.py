"""How the programs of this environment are typed in the shell at hand.

An environment that nobody activated has its programs off the search path: a command shown as it
stands in docs would end in "command not found", or reach another environment's program.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def typed(program: str) -> str:
    """The name of a program where that finds this environment's, else its path, for a shell.

    Args:
        program: A Python package's program of the same name, e.g. ``"ralikit"`` or ``"pip"``.
    """
    beside = Path(sys.executable).parent
    found = shutil.which(program)
    if found is not None and Path(found).resolve().parent == beside.resolve():
        return program
    own = shutil.which(program, path=str(beside))
    if own is None:
        return f"{_short(Path(sys.executable))} -m {program}"
    return _short(Path(own))


def _short(path: Path) -> str:
    try:
        return shlex.quote(str(path.relative_to(Path.cwd())))
    except (ValueError, OSError):  # elsewhere, or the working folder is gone
        return shlex.quote(str(path))
