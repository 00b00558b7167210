"""`ralikit bench host`: every file in a process of its own, in interleaved rounds.

Speeds on a shared computer drift by more than the differences looked for. So all models of a run
are open at once and take turns, a round each in an order drawn anew, and only ratios inside one run
are compared.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ralikit.bench import device
from ralikit.bench.records import Memory, Model, Protocol, RanBy, Record
from ralikit.bench.subjects import split_backend
from ralikit.config import from_mapping
from ralikit.errors import RalikitError, UsageError
from ralikit.models import resolve
from ralikit.progress import Tell

FINAL_SECONDS = 60.0
FINAL_QUERIES = 1024
_SLOW = 1.0  # seconds a query


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """What to measure.

    Attributes:
        files: Exported files or bundle folders, each with ``backend:`` before it where it is not
            to be run by `backend`, e.g. ``openvino:mini-int8.onnx``.
        photo: The photo whose views are timed, and which is timed end to end.
        threads: Thread counts; each is a run of its own.
        batches: Photos a query; each is a run of its own. Bundles in torch take them in one call;
            an exported file, whose shape is fixed, in as many calls.
        backend: ``"auto"`` (the runtime of the suffix) or ``"openvino"`` for .onnx files.
        quick: A short look; the records say so.
        cooldown_s: Pause before each round.
        warmups: Inferences discarded before the first sample.
        seed: Order of the models within rounds.
    """

    files: tuple[Path | str, ...]
    photo: Path
    threads: tuple[int, ...] = (1,)
    batches: tuple[int, ...] = (1,)
    backend: str = "auto"
    quick: bool = False
    cooldown_s: float = 0.2
    warmups: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.files:
            raise UsageError("no files to measure: pass exported files or bundle folders")
        if any(t < 1 for t in self.threads) or not self.threads:
            raise UsageError(f"threads must be at least 1, not {list(self.threads)}")
        if any(b < 1 for b in self.batches) or not self.batches:
            raise UsageError(f"a batch is at least 1 photo, not {list(self.batches)}")
        if self.cooldown_s < 0 or self.warmups < 0:
            raise UsageError("cool-down and warm-ups must not be negative")

    @property
    def rounds(self) -> int:
        """Rounds of a run; each model works about `seconds / rounds` in each."""
        return 8 if self.quick else 24

    @property
    def seconds(self) -> float:
        """Time each model works in all, seconds."""
        return 4.0 if self.quick else FINAL_SECONDS

    @property
    def queries(self) -> int:
        """A model that has answered this often may stop earlier."""
        return 64 if self.quick else FINAL_QUERIES


@dataclass
class _Subject:
    """One model of a run: its process and what it has answered."""

    file: Path
    worker: WorkerProcess
    loaded: dict[str, Any]
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def slow(self) -> bool:
        """Whether a query takes so long that a round has time for one, a third of them for more."""
        return float(self.loaded["first_s"]) > _SLOW

    def add(self, answer: dict[str, list[float]], round_name: int | None = None) -> None:
        for name, values in answer.items():
            self.samples.setdefault(name, []).extend(values)
        if round_name is not None:
            count = len(answer["inference_s"])
            self.samples.setdefault("round", []).extend([float(round_name)] * count)


def bench_host(
    plan: HostPlan,
    *,
    command: str,
    progress: Tell | None = None,
    warn: Callable[[str], None] = lambda _message: None,
) -> Iterator[Record]:
    """Measure every file at every thread count and batch; records come as each run ends.

    Args:
        plan: What to measure.
        command: The command line, for the records.
        progress: Told the stage and the share done, 0..1.
        warn: Told what makes the figures doubtful, e.g. another bench at work.

    Yields:
        One latency record a file, thread count and batch.

    Raises:
        UsageError: If there is no such model.
        RalikitError: If a model cannot be loaded or its process dies.
    """
    tell = progress or (lambda _what, _done: None)
    for words in plan.files:  # before any process is started
        resolve(split_backend(str(words))[1])
    with only_bench(warn):
        turns = list(itertools.product(plan.threads, plan.batches))
        for number, (threads, batch) in enumerate(turns):
            run = f"host-{device.now()}-t{threads}" + (f"-b{batch}" if batch > 1 else "")
            share = _part_of(tell, number, len(turns))
            yield from _one_run(plan, run, threads, batch, command, share)


def _part_of(tell: Tell, number: int, count: int) -> Tell:
    """Progress of one of `count` runs as a share of all."""
    return lambda what, done: tell(what, (number + done) / count)


def _one_run(
    plan: HostPlan, run: str, threads: int, batch: int, command: str, tell: Tell
) -> Iterator[Record]:
    with ExitStack() as stack:
        subjects = []
        for words in plan.files:
            backend, file = split_backend(str(words))
            tell(f"loading {file.name}", 0.0)
            worker = stack.enter_context(WorkerProcess(threads))
            loaded = worker.ask(
                "load",
                path=str(file),
                backend=plan.backend if backend == "auto" else backend,
                threads=threads,
                photo=str(plan.photo),
                batch=batch,
            )
            subjects.append(_Subject(file, worker, loaded))
        before = device.state()
        for subject in subjects:
            if plan.warmups:
                subject.worker.ask(
                    "infer", seconds=0.0, at_least=plan.warmups, at_most=plan.warmups
                )
            subject.worker.ask("photo", path=str(plan.photo), count=1)
        order = random.Random(plan.seed)  # noqa: S311 (an order of turns, no secret)
        share = plan.seconds / plan.rounds
        per_round = -(-plan.queries // plan.rounds)
        for index in range(plan.rounds):
            tell(f"{threads} thread(s), round {index + 1} of {plan.rounds}", index / plan.rounds)
            time.sleep(plan.cooldown_s)
            for subject in order.sample(subjects, len(subjects)):
                answer = subject.worker.ask(
                    "infer", seconds=share, at_least=1 if subject.slow else 3, at_most=per_round
                )
                subject.add(answer, index)
                if index % 3 == 0 or not subject.slow:
                    subject.add(subject.worker.ask("photo", path=str(plan.photo), count=1))
        after = device.state(before)
        for subject in subjects:
            memory = from_mapping(Memory, subject.worker.ask("memory"))
            name, _, version = subject.loaded["runtime"].partition(" ")
            yield Record(
                kind="latency",
                run=run,
                time=device.now(),
                commit=device.commit(),
                model=from_mapping(
                    Model, {**subject.loaded["model"], "input": subject.loaded["input"]}
                ),
                device=device.host(),
                runtime=RanBy(
                    name=name,
                    version=version,
                    unit=subject.loaded["unit"],
                    threads=threads,
                    batch=batch,
                ),
                protocol=Protocol(
                    quick=plan.quick,
                    rounds=plan.rounds,
                    warmups=plan.warmups,
                    cooldown_s=plan.cooldown_s,
                    command=command,
                    note=subject.loaded["note"],
                ),
                samples=cast(dict[str, Any], subject.samples),
                load_s=subject.loaded["load_s"],
                first_s=subject.loaded["first_s"],
                memory=memory,
                state=after,
            )


class WorkerProcess:
    """A fresh Python process that holds one model (see `ralikit.bench.worker`)."""

    def __init__(self, threads: int, module: str = "ralikit.bench.worker") -> None:
        environment = dict(os.environ)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = str(threads)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self._process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def ask(self, action: str, **arguments: Any) -> Any:
        """Send a command and wait for its answer.

        Raises:
            RalikitError: If the command fails or the process has died.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RalikitError("the measuring process has no pipes")
        try:
            stdin.write(json.dumps({"do": action, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait(timeout=10)
            raise RalikitError(f"the measuring process died (exit {code}): {self._last_words()}")
        answer = json.loads(line)
        if "refused" in answer:
            kind = UsageError if answer["exit_code"] == UsageError.exit_code else RalikitError
            raise kind(answer["refused"])
        if "error" in answer:
            raise RalikitError(f"{arguments.get('path', action)}: {answer['error']}")
        return answer["ok"]

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing; it may have been killed for its memory"


@contextmanager
def only_bench(warn: Callable[[str], None]) -> Iterator[None]:
    """Warn where another bench is running on this computer: both would measure each other."""
    lock = Path(tempfile.gettempdir()) / "ralikit-bench.lock"
    mine = False
    try:
        other = int(lock.read_text())
        os.kill(other, 0)
        if other != os.getpid():
            warn(f"another bench (process {other}) is running: each disturbs the other's figures")
    except (OSError, ValueError):
        try:
            lock.write_text(str(os.getpid()))
            mine = True
        except OSError:
            mine = False
    try:
        yield
    finally:
        if mine:
            lock.unlink(missing_ok=True)
