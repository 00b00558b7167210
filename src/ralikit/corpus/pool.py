"""Processes that score pieces of a corpus; their rows come back in the pieces' order.

A picture that ends the process that scores it (memory, a decoder's fault) is tried once more,
alone, and is then a row with an error: nothing that a file holds stops the others.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Generic, Protocol, TypeVar

from ralikit.corpus.items import Item, Row
from ralikit.corpus.worker import AHEAD, serve
from ralikit.errors import BundleError, RalikitError
from ralikit.runtimes import Processor

_WINDOW = 2
"""Finished and unfinished pieces kept for each that the workers may have: bounds memory."""
_STRIKES = 2
_PATIENCE = 5.0  # seconds for a process to end by itself


class Piece(Protocol):
    """What is scored together."""

    @property
    def items(self) -> list[Item]:
        """Its pictures."""
        ...


P = TypeVar("P", bound=Piece)


@dataclass(eq=False)
class _Task(Generic[P]):
    piece: P
    rows: list[Row | None]

    @property
    def done(self) -> bool:
        return None not in self.rows


@dataclass(eq=False)
class _Part(Generic[P]):
    """Some pictures of a task, in one message."""

    task: _Task[P]
    places: list[int]
    strikes: int = 0

    def messages(self) -> list[Item]:
        return [self.task.piece.items[place] for place in self.places]


@dataclass(eq=False)
class _Worker(Generic[P]):
    process: SpawnProcess
    pipe: Connection
    parts: deque[_Part[P]] = field(default_factory=deque)
    ready: bool = False


class Pool(Generic[P]):
    """Workers of one thread each.

    Args:
        model: As `ralikit.load` takes it.
        identity: What the model must be (`ralikit.corpus.job.identity_of`).
        count: How many.
        processor: What computes.
    """

    def __init__(
        self,
        model: str | None,
        identity: dict[str, str],
        count: int,
        processor: Processor = "cpu",
    ) -> None:
        self._model, self._identity, self._processor = model, identity, processor
        self._count = count
        self._workers: list[_Worker[P]] = []
        self._again: deque[_Part[P]] = deque()

    def __enter__(self) -> Pool[P]:
        self._workers = [self._started() for _ in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.pipe.close()  # which ends it
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def in_order(self, pieces: Iterable[P]) -> Iterator[tuple[P, list[Row]]]:
        """Score pieces, taken as there is room for them; each with its rows, in order.

        Raises:
            BundleError: If the model fails.
            RalikitError: If workers cannot be started.
        """
        source, over = iter(pieces), False
        tasks: deque[_Task[P]] = deque()
        while True:
            while self._room() and self._again:
                self._give(self._again.popleft())
            while not over and self._room() and len(tasks) < self._count * AHEAD * _WINDOW:
                piece = next(source, None)
                if piece is None:
                    over = True
                    break
                task = _Task(piece, [None] * len(piece.items))
                tasks.append(task)
                if piece.items:
                    self._give(_Part(task, list(range(len(piece.items)))))
            while tasks and tasks[0].done:
                task = tasks.popleft()
                yield task.piece, [row for row in task.rows if row is not None]
            if over and not tasks:
                return
            if tasks:
                self._listen()

    def _room(self) -> bool:
        return any(len(worker.parts) < AHEAD for worker in self._workers)

    def _give(self, part: _Part[P]) -> None:
        worker = min(self._workers, key=lambda w: len(w.parts))
        worker.parts.append(part)
        with suppress(OSError):  # it has just ended: `_listen` finds out, and gives the part again
            worker.pipe.send(part.messages())

    def _listen(self) -> None:
        """Wait until something comes from a worker, and note it."""
        for pipe in wait([worker.pipe for worker in self._workers]):
            worker = next(w for w in self._workers if w.pipe is pipe)
            try:
                kind, said = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
                continue
            if kind == "failed":
                raise BundleError(said)
            if kind == "ready":
                worker.ready = True
                if said != self._identity:
                    raise RalikitError("the model's file was changed meanwhile; start again")
                continue
            part = worker.parts.popleft()
            for place, row in zip(part.places, said, strict=True):
                part.task.rows[place] = row

    def _replace(self, worker: _Worker[P]) -> None:
        """Start another worker in the place of one that ended, and share out what it had."""
        worker.pipe.close()
        worker.process.join(_PATIENCE)
        code = worker.process.exitcode
        if not worker.ready:
            raise RalikitError(
                f"a process that was to score ended as it started ({_how(code)}); is there memory "
                "enough for so many? try fewer --processes"
            )
        parts = list(worker.parts)
        if parts:
            self._suspect(parts[0], code)
            self._again.extend(parts[1:])
        self._workers[self._workers.index(worker)] = self._started()

    def _suspect(self, part: _Part[P], code: int | None) -> None:
        if len(part.places) > 1:
            self._again.extend(_Part(part.task, [place]) for place in part.places)
            return
        part.strikes += 1
        if part.strikes < _STRIKES:
            self._again.append(part)
            return
        (place,) = part.places
        error = f"ended the process that scored it, twice ({_how(code)})"
        part.task.rows[place] = Row(key=part.task.piece.items[place].key, error=error)

    def _started(self) -> _Worker[P]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, self._model, self._processor), daemon=True
        )
        process.start()
        theirs.close()  # so that its end is seen here
        return _Worker(process, ours)


def _how(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
