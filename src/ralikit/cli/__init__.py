"""The command line: a thin skin; each command parses, calls one library function and prints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ralikit.cli.signals import heeding_signals
from ralikit.cli.streams import end_output, open_streams
from ralikit.errors import RalikitError

if TYPE_CHECKING:
    from ralikit.cli.commands import app

__all__ = ["app", "main"]

_WORDS = {
    "SIGINT": "interrupted",
    "SIGTERM": "stopped by SIGTERM",
    "SIGHUP": "stopped, as its terminal was closed",
}


def __getattr__(name: str) -> Any:
    # The commands import Typer, a quarter of a second in which Ctrl-C must be heeded already.
    if name == "app":
        from ralikit.cli import commands

        return commands.app
    raise AttributeError(f"module 'ralikit.cli' has no attribute {name!r}")


def main() -> None:
    """Run the command line and exit.

    0 done, 1 the work failed or a gate refused, 2 the words are wrong; 130, 143 or 129 after
    SIGINT, SIGTERM or SIGHUP.
    """
    open_streams()
    with heeding_signals() as received:
        code, problem = _run()
        if code and received:
            code, problem = 128 + received[0], _WORDS.get(received[0].name, "stopped")
        lost = end_output()
        if lost and not code:
            code, problem = 1, lost
        if problem:
            print(f"ralikit: {problem}", file=sys.stderr, flush=True)
    sys.exit(code)


def _run() -> tuple[int, str]:
    """The exit code of the command, and what is left to be said of it."""
    try:
        from ralikit.cli.commands import app

        app()
    except RalikitError as error:
        return error.exit_code, str(error)
    except KeyboardInterrupt:
        return 130, "interrupted"
    except SystemExit as end:
        return (end.code, "") if isinstance(end.code, int) else (int(bool(end.code)), "")
    return 0, ""
