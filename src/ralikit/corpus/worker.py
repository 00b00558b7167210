"""One process that scores: pieces come down a pipe, rows go up; it ends when the pipe does."""

from __future__ import annotations

import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from ralikit.runtimes import Processor

AHEAD = 2
"""Pieces a worker may have: one at work, one that lies ready."""


def serve(pipe: Connection, model: str | None, processor: Processor) -> None:
    """Open the model, say which it is, and answer pieces until the pipe closes.

    Messages down: lists of `Item`. Up: ``("ready", identity)``, ``("rows", [Row])``,
    ``("failed", words)``, the last where the model and not a picture is at fault.
    """
    # Ctrl-C reaches every process of the terminal: whoever started this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _say_nothing()
    try:
        from ralikit.corpus.actor import CorpusScorer

        scorer = CorpusScorer(model, processor=processor)
        pipe.send(("ready", scorer.identity))
        pieces: queue.Queue[Any] = queue.Queue(maxsize=AHEAD)
        # Large pieces are taken off the pipe while one is scored, so that their sender never waits.
        threading.Thread(target=_receive, args=(pipe, pieces), daemon=True).start()
        while True:
            pipe.send(("rows", scorer.score(pieces.get())))
    except (BrokenPipeError, ConnectionResetError):
        pass  # whoever asked is gone
    except Exception as error:  # noqa: BLE001 (it is raised where it can be told)
        pipe.send(("failed", f"{error}" or type(error).__name__))


def _receive(pipe: Connection, pieces: queue.Queue[Any]) -> None:
    try:
        while True:
            pieces.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(0)  # also when it was killed in the middle: nobody wants the rest


def _say_nothing() -> None:
    """Native decoders print; standard output and error are the command's own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
