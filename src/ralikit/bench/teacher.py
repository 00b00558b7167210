"""`ralikit bench teacher`: what Q-Insight costs on this computer, and RALI ViT-L beside it.

This repeats the conditions of RALI's Figure 6 (memory and time of a photo at batch 16 on one GPU)
wherever it runs: the published prompt, the same photo, exactly 100 generated tokens, bf16, KV cache
and SDPA attention. Cost does not depend on the weights' values, so random ones will do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ralikit.bench import device
from ralikit.bench.host import WorkerProcess, only_bench
from ralikit.bench.records import Device, Memory, Model, Protocol, RanBy, Record
from ralikit.config import from_mapping
from ralikit.errors import UsageError
from ralikit.progress import Tell

TOKENS = 100
SIZES = ("7b", "3b", "tiny")
_WORKER = "ralikit.bench.teacher_worker"


@dataclass(frozen=True, kw_only=True)
class TeacherPlan:
    """What to measure.

    Attributes:
        photo: The photo that both systems look at.
        size: Qwen2.5-VL's size from its configuration: ``"7b"``, ``"3b"``, or ``"tiny"`` (tests).
        folder: A folder of real weights instead.
        batches: Photos a call.
        repeats: Samples of each system and batch, taken in turns.
        threads: Threads on a CPU; None: all cores.
        precisions: RALI's precisions.
    """

    photo: Path
    size: str = "7b"
    folder: Path | None = None
    batches: tuple[int, ...] = (1,)
    repeats: int = 3
    threads: int | None = None
    precisions: tuple[str, ...] = ("fp32", "fp16")

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UsageError(f"unknown size {self.size!r}; known: {', '.join(SIZES)}")
        if not self.batches or any(b < 1 for b in self.batches):
            raise UsageError(f"batches must be at least 1, not {list(self.batches)}")
        if self.repeats < 1:
            raise UsageError(f"repeats must be at least 1, not {self.repeats}")
        if self.folder is not None and not (self.folder / "config.json").is_file():
            raise UsageError(f"{self.folder} holds no model: it has no config.json")


@dataclass
class _System:
    """One measured system in its process."""

    worker: WorkerProcess
    role: str
    loaded: dict[str, Any]
    samples: list[float] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)


def bench_teacher(
    plan: TeacherPlan,
    *,
    command: str,
    progress: Tell | None = None,
    warn: Callable[[str], None] = lambda _message: None,
) -> Iterator[Record]:
    """Measure the teacher and RALI at every batch; a batch's records come as it ends.

    Yields:
        One teacher record a system and batch; ``samples.photo_s`` is the time of a call over its
        photos, seconds a photo.

    Raises:
        RalikitError: If a model does not fit into memory or its process dies.
    """
    tell = progress or (lambda _what, _done: None)
    threads = plan.threads or device.cores()
    run = f"teacher-{device.now()}"
    with only_bench(warn), ExitStack() as stack:
        systems = list(_load(plan, threads, stack, tell))
        before = device.state()
        for number, batch in enumerate(plan.batches):
            for system in systems:
                system.samples.clear()
                system.worker.ask("reset")
                system.worker.ask("time", batch=batch)  # warm-up
            for repeat in range(plan.repeats):
                done = (number + repeat / plan.repeats) / len(plan.batches)
                tell(f"batch {batch}, sample {repeat + 1} of {plan.repeats}", done)
                for system in systems:
                    system.samples.append(system.worker.ask("time", batch=batch) / batch)
            after = device.state(before)
            for system in systems:
                system.memory = system.worker.ask("memory")
                yield _record(plan, run, system, batch, threads, command, after)


def _load(plan: TeacherPlan, threads: int, stack: ExitStack, tell: Tell) -> Iterator[_System]:
    folder = str(plan.folder) if plan.folder else ""
    jobs = [("teacher", {"size": plan.size, "folder": folder, "tokens": TOKENS})]
    jobs += [("rali", {"size": plan.size, "precision": p}) for p in plan.precisions]
    for role, arguments in jobs:
        tell(f"loading {role}", 0.0)
        worker = stack.enter_context(WorkerProcess(threads, module=_WORKER))
        loaded = worker.ask(f"load_{role}", photo=str(plan.photo), threads=threads, **arguments)
        yield _System(worker, role, loaded)


def _record(
    plan: TeacherPlan,
    run: str,
    system: _System,
    batch: int,
    threads: int,
    command: str,
    state: Any,
) -> Record:
    loaded = system.loaded
    computer = device.host()
    if loaded["gpu"]:
        computer = from_mapping(
            Device,
            {
                "kind": "gpu",
                "name": computer.name,
                "os": computer.os,
                "chip": loaded["gpu"],
                "cores": computer.cores,
                "memory_bytes": loaded["gpu_memory"],
            },
        )
    return Record(
        kind="teacher",
        run=run,
        time=device.now(),
        commit=device.commit(),
        model=from_mapping(Model, loaded["model"]),
        device=computer,
        runtime=RanBy(
            name="torch",
            version=loaded["torch"],
            unit="gpu" if loaded["gpu"] else "cpu",
            threads=threads,
            batch=batch,
        ),
        protocol=Protocol(
            quick=plan.repeats < 3,
            rounds=plan.repeats,
            warmups=1,
            cooldown_s=0.0,
            command=command,
            note=loaded["note"],
        ),
        samples={"photo_s": list(system.samples)},
        load_s=loaded["load_s"],
        memory=from_mapping(Memory, system.memory),
        state=state,
        figures={"role": system.role, "tokens": TOKENS if system.role == "teacher" else 0}
        | loaded["figures"],
    )
