"""`ralikit bench android`: exported files on attached phones, through adb.

Each device has a thread and a folder of its own under /data/local/tmp, which goes again whatever
happens. A model's record is handed on as it is finished, so a device that is unplugged takes
nothing with it that was measured before.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from ralikit.bench import device as here
from ralikit.bench.adb import Adb, Attached, DeviceError
from ralikit.bench.measured import MOST_BYTES, Measured, read_measured
from ralikit.bench.modes import Mode
from ralikit.bench.phone import Condition, condition, phone
from ralikit.bench.records import Device, Memory, Model, Protocol, RanBy, Record, State
from ralikit.errors import UsageError
from ralikit.progress import Tell

PROVIDERS = ("cpu", "xnnpack", "nnapi")
_LONGEST_S = 7200.0


@dataclass(frozen=True, kw_only=True)
class AndroidPlan:
    """What to measure and how.

    Attributes:
        files: Exported `.onnx` files.
        program: `ralibench` for the device (runtimes/c).
        library: `libonnxruntime.so` for the device.
        photo: Photo whose views are scored.
        mode: How long.
        provider: One of `PROVIDERS`: what is asked for; the record says what ran.
        threads: Threads of the runtime.
        serials: The devices; empty: every one that is attached.
        coolest_wait_s: Longest wait for a warm device, seconds.
        pause_s: Between two looks at a warm device, seconds.
    """

    files: tuple[Path, ...]
    program: Path
    library: Path
    photo: Path
    mode: Mode
    provider: str = "cpu"
    threads: int = 1
    serials: tuple[str, ...] = ()
    coolest_wait_s: float = 600.0
    pause_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A file, its views as the device is given them, and what Python makes of them."""

    path: Path
    model: Model
    views: Path
    score: float


@dataclass
class _Job:
    """What the threads of one run share."""

    adb: Adb
    plan: AndroidPlan
    subjects: Sequence[_Subject]
    command: str
    run: str
    tell: Tell | None
    stopped: Event = field(default_factory=Event)
    found: SimpleQueue[Record | DeviceError] = field(default_factory=SimpleQueue)


def bench_android(
    plan: AndroidPlan,
    *,
    adb: Adb,
    command: str,
    progress: Tell | None = None,
    warn: Callable[[str], None],
) -> Generator[Record]:
    """Measure every file on every device; records come as they are finished.

    Closed before its end, it stops the programs on the devices and removes what it put there.

    Args:
        plan: What to measure.
        adb: The bridge.
        command: For the records; serial numbers are taken out.
        progress: Told how far each device is.
        warn: Told what is wrong with a device; the others go on.

    Raises:
        UsageError: If no device is ready, or the words are wrong.
        DeviceError: At the end, if a device did not finish.
    """
    _check(plan)
    chosen = _chosen(adb.devices(), plan.serials)
    with TemporaryDirectory(prefix="ralikit-") as folder:
        subjects = [_subject(path, plan.photo, Path(folder)) for path in plan.files]
        job = _Job(
            adb=adb,
            plan=plan,
            subjects=subjects,
            command=_without(command, [d.serial for d in chosen]),
            run=f"android-{here.now()}-{uuid.uuid4().hex[:6]}",
            tell=progress,
        )
        threads = [
            Thread(target=_measure_device, args=(job, each, f"{each.model} ({number})"))
            for number, each in enumerate(chosen, 1)
        ]
        failed = 0
        try:
            for thread in threads:
                thread.start()
            for item in _as_they_come(job, threads):
                if isinstance(item, Record):
                    yield item
                else:
                    failed += 1
                    warn(str(item))
        finally:
            job.stopped.set()
            adb.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
    if failed:
        raise DeviceError(
            f"{failed} of {len(chosen)} device(s) did not finish; what was measured before is kept"
        )


def _check(plan: AndroidPlan) -> None:
    if plan.provider not in PROVIDERS:
        raise UsageError(f"--provider is one of {', '.join(PROVIDERS)}, not {plan.provider!r}")
    for path in plan.files:
        if path.suffix != ".onnx":
            raise UsageError(f"bench android runs .onnx files through ONNX Runtime, not {path}")
    for path, name in ((plan.program, "--program"), (plan.library, "--library")):
        if not path.is_file():
            raise UsageError(f"{name} {path} is not there: runtimes/c/README.md says how to get it")


def _chosen(found: Sequence[Attached], serials: Sequence[str]) -> list[Attached]:
    """The devices to measure, all of them ready."""
    missing = set(serials) - {d.serial for d in found}
    if missing:
        raise UsageError(f"no device {', '.join(sorted(missing))} is attached: see adb devices")
    wanted = [d for d in found if not serials or d.serial in serials]
    ready = [d for d in wanted if d.state == "device"]
    if not ready or (serials and len(ready) < len(wanted)):
        states = ", ".join(f"{d.model} is {d.state}" for d in wanted)
        raise UsageError(
            "no Android device is ready"
            + (f" ({states})" if states else "")
            + ": plug one in, switch USB debugging on and allow this computer on its screen"
        )
    return ready


def _subject(path: Path, photo: Path, folder: Path) -> _Subject:
    from ralikit.bench.subjects import open_subject
    from ralikit.photo.views import load_views

    subject = open_subject(path, backend="auto", threads=1)
    views = load_views(photo, subject.preprocess)
    to = folder / f"{uuid.uuid4().hex}.views"
    to.write_bytes(views.tobytes())
    return _Subject(
        path=path,
        model=Model(**subject.model, input=views.shape),
        views=to,
        score=float(subject.runtime.run(views)),
    )


def _without(command: str, serials: Sequence[str]) -> str:
    for serial in serials:
        command = command.replace(serial, "SERIAL")
    return command


def _as_they_come(job: _Job, threads: Sequence[Thread]) -> Iterator[Record | DeviceError]:
    while True:
        alive = any(thread.is_alive() for thread in threads)
        try:
            yield job.found.get(timeout=0.05 if alive else 0)
        except Empty:
            if not alive:
                return


def _measure_device(job: _Job, attached: Attached, name: str) -> None:
    serial, folder = attached.serial, f"/data/local/tmp/ralikit-{uuid.uuid4().hex[:12]}"
    try:
        try:
            _measure_all(job, serial, name, folder)
        finally:
            _clean(job.adb, serial, folder)
    except Exception as error:  # noqa: BLE001 - a thread's last words: nothing is lost silently
        said = str(error).replace(serial, "it")
        job.found.put(DeviceError(f"{name}: {said or type(error).__name__}"))


def _clean(adb: Adb, serial: str, folder: str) -> None:
    """End what may still run there, and remove the folder; a device that is gone has neither."""
    script = f"kill $(cat {folder}/pid) 2>/dev/null; rm -rf {folder}"
    try:
        adb.clean(serial, script)
    except DeviceError as error:
        raise DeviceError(f"{error}; if {folder} is still there, remove it") from error


def _measure_all(job: _Job, serial: str, name: str, folder: str) -> None:
    adb, plan = job.adb, job.plan
    told = phone(adb, serial)
    adb.shell(serial, ["mkdir", folder])
    for path, to in ((plan.program, "ralibench"), (plan.library, "libonnxruntime.so")):
        _tell(job, f"{name}: push {to}", 0.0)
        adb.push(serial, path, f"{folder}/{to}")
    adb.shell(serial, ["chmod", "755", f"{folder}/ralibench"])
    for done, subject in enumerate(job.subjects):
        _tell(job, f"{name}: {subject.path.name}", done / len(job.subjects))
        before = _cool(job, serial, name)
        measured = _measure(job, serial, folder, subject)
        after = condition(adb, serial)
        job.found.put(_record(job, told, subject, measured, before, after))


def _tell(job: _Job, what: str, done: float) -> None:
    if job.stopped.is_set():
        raise DeviceError("stopped")
    if job.tell is not None:
        job.tell(what, done)


def _cool(job: _Job, serial: str, name: str) -> Condition:
    """Wait until the device is not throttled; then its state."""
    until = time.monotonic() + job.plan.coolest_wait_s
    while True:
        now = condition(job.adb, serial)
        if now.weak:
            raise DeviceError(f"its {now.power} is too low for a fair figure: charge it to 20 %")
        if not now.hot:
            return now
        if time.monotonic() >= until:
            raise DeviceError(f"still {now.thermal} after {job.plan.coolest_wait_s:g} s: cool it")
        _tell(job, f"{name}: cooling down, thermal status {now.thermal}", 0.0)
        job.stopped.wait(job.plan.pause_s)


def _measure(job: _Job, serial: str, folder: str, subject: _Subject) -> Measured:
    adb, plan, mode = job.adb, job.plan, job.plan.mode
    adb.push(serial, subject.path, f"{folder}/model.onnx")
    adb.push(serial, subject.views, f"{folder}/views")
    words = [
        *(f"{folder}/{name}" for name in ("libonnxruntime.so", "model.onnx", "views", "out.json")),
        *(plan.provider, str(plan.threads), str(mode.warmups)),
        *(str(mode.queries), f"{mode.seconds:g}"),
    ]
    script = f"echo $$ > {folder}/pid; exec {folder}/ralibench {' '.join(words)}"
    adb.script(serial, script, seconds=_LONGEST_S)
    text = adb.shell(serial, ["cat", f"{folder}/out.json"], most=MOST_BYTES)
    return read_measured(text, queries=mode.queries)


def _record(
    job: _Job,
    told: Device,
    subject: _Subject,
    measured: Measured,
    before: Condition,
    after: Condition,
) -> Record:
    plan = job.plan
    figures: dict[str, Any] = {
        "score": measured.score,
        "host_score": subject.score,
        "asked_for": plan.provider,
        "mode": plan.mode.name,
        **{f"nodes_{name}": count for name, count in measured.nodes.items()},
    }
    return Record(
        kind="latency",
        run=job.run,
        time=here.now(),
        commit=here.commit(),
        model=subject.model,
        device=told,
        runtime=RanBy(
            name="onnxruntime",
            version=measured.version,
            unit=measured.unit,
            threads=plan.threads,
        ),
        protocol=Protocol(
            quick=plan.mode.quick,
            rounds=1,
            warmups=plan.mode.warmups,
            cooldown_s=0.0,
            command=job.command,
            note="emulated: numerics, never speed" if told.emulated else "",
        ),
        samples={"inference_s": measured.inference_s},
        load_s=measured.load_s,
        first_s=measured.first_s,
        memory=Memory(
            peak_bytes=measured.peak_bytes,
            steady_bytes=measured.steady_bytes,
            private_bytes=0,
            how="VmHWM and VmRSS of the measuring process",
        ),
        state=State(
            thermal_before=before.thermal,
            thermal_after=after.thermal,
            power_before=before.power,
            power_after=after.power,
        ),
        figures=figures,
    )
