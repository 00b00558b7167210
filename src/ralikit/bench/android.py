"""`ralikit bench android`: exported files on attached phones, through adb.

Each device has a folder of its own under /data/local/tmp, which goes again whatever happens.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ralikit.bench import device as here
from ralikit.bench.adb import PLAIN, Adb
from ralikit.bench.calls import DeviceError
from ralikit.bench.fleet import Seat, chosen_of, on_every
from ralikit.bench.measured import MOST_BYTES, Measured, read_measured
from ralikit.bench.modes import Mode
from ralikit.bench.phone import Condition, condition, phone
from ralikit.bench.records import Device, Memory, Model, Protocol, RanBy, Record, State
from ralikit.errors import UsageError
from ralikit.files import sha256_path
from ralikit.progress import Tell

_LONGEST_S = 7200.0


@dataclass(frozen=True, kw_only=True)
class _Runtime:
    """What runs a kind of file: its library's name on the device, and what it can be asked for."""

    library: str
    option: str
    providers: tuple[str, ...]


RUNTIMES = {
    ".onnx": _Runtime(
        library="libonnxruntime.so", option="--library", providers=("cpu", "xnnpack", "nnapi")
    ),
    ".tflite": _Runtime(library="libLiteRt.so", option="--litert", providers=("cpu", "gpu", "npu")),
}
"""By suffix; runtimes/c runs them."""


@dataclass(frozen=True, kw_only=True)
class AndroidPlan:
    """What to measure and how.

    Attributes:
        files: Exported `.onnx` and `.tflite` files.
        program: `ralibench` for the device (runtimes/c).
        library: `libonnxruntime.so` for the device, for `.onnx` files.
        litert: `libLiteRt.so` for the device, for `.tflite` files; its accelerators' libraries
            behind it.
        photo: Photo whose views are scored.
        mode: How long.
        provider: One of the runtime's: what is asked for; the record says what ran.
        threads: Threads of the runtime.
        serials: The devices; empty: every one that is attached.
        coolest_wait_s: Longest wait for a warm device, seconds.
        pause_s: Between two looks at a warm device, seconds.
    """

    files: tuple[Path, ...]
    program: Path
    photo: Path
    mode: Mode
    library: Path | None = None
    litert: tuple[Path, ...] = ()
    provider: str = "cpu"
    threads: int = 1
    serials: tuple[str, ...] = ()
    coolest_wait_s: float = 600.0
    pause_s: float = 10.0

    def libraries(self, suffix: str) -> tuple[Path, ...]:
        """What runs files of that suffix, the runtime first; empty where none was named."""
        if suffix == ".tflite":
            return self.litert
        return (self.library,) if self.library else ()


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """A file, its views as the device is given them, and what Python makes of them."""

    path: Path
    model: Model
    views: Path
    score: float


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
    chosen = chosen_of(adb.devices(), plan.serials)
    with TemporaryDirectory(prefix="ralikit-") as folder:
        subjects = [_subject(path, plan.photo, Path(folder)) for path in plan.files]

        def work(seat: Seat) -> None:
            _measure_device(seat, plan, subjects)

        yield from on_every(chosen, work, adb=adb, command=command, progress=progress, warn=warn)


def _check(plan: AndroidPlan) -> None:
    named = [(plan.program, "--program")]
    for path in plan.files:
        runtime = RUNTIMES.get(path.suffix)
        if runtime is None:
            raise UsageError(f"bench android runs .onnx and .tflite files, not {path}")
        if plan.provider not in runtime.providers:
            known = ", ".join(runtime.providers)
            raise UsageError(f"--provider of {path} is one of {known}, not {plan.provider!r}")
        libraries = plan.libraries(path.suffix)
        if not libraries:
            raise UsageError(f"{path} needs {runtime.option} with {runtime.library} for the device")
        named += [(library, runtime.option) for library in libraries]
    for path, name in named:
        if not path.is_file():
            raise UsageError(f"{name} {path} is not there: runtimes/c/README.md says how to get it")
    for path in plan.litert[1:]:  # what lies beside the runtime keeps its name
        if not PLAIN.match(path.name):
            raise UsageError(f"--litert {path}: rename it to letters, digits, dots, - and _ alone")


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


def _measure_device(seat: Seat, plan: AndroidPlan, subjects: Sequence[_Subject]) -> None:
    folder = f"/data/local/tmp/ralikit-{uuid.uuid4().hex[:12]}"
    try:
        _measure_all(seat, plan, subjects, folder)
    finally:
        _clean(seat, folder)


def _clean(seat: Seat, folder: str) -> None:
    """End what may still run there, and remove the folder; a device that is gone has neither."""
    script = f"kill $(cat {folder}/pid) 2>/dev/null; rm -rf {folder}"
    try:
        seat.adb.clean(seat.serial, script)
    except DeviceError as error:
        raise DeviceError(f"{error}; if {folder} is still there, remove it") from error


def _measure_all(seat: Seat, plan: AndroidPlan, subjects: Sequence[_Subject], folder: str) -> None:
    adb, serial = seat.adb, seat.serial
    told = phone(adb, serial)
    adb.shell(serial, ["mkdir", folder])
    pushed = {"ralibench": plan.program}
    for suffix in sorted({path.suffix for path in plan.files}):
        first, *others = plan.libraries(suffix)
        pushed |= {RUNTIMES[suffix].library: first} | {path.name: path for path in others}
    for name, path in pushed.items():
        seat.tell(f"push {name}", 0.0)
        adb.push(serial, path, f"{folder}/{name}")
    adb.shell(serial, ["chmod", "755", f"{folder}/ralibench"])
    for done, subject in enumerate(subjects):
        seat.tell(subject.path.name, done / len(subjects))
        before = seat.cool(longest_s=plan.coolest_wait_s, pause_s=plan.pause_s)
        measured = _measure(seat, plan, subject, folder)
        after = condition(adb, serial)
        seat.hand_on(_record(seat, plan, subject, told, measured, before, after))


def _measure(seat: Seat, plan: AndroidPlan, subject: _Subject, folder: str) -> Measured:
    adb, serial, mode = seat.adb, seat.serial, plan.mode
    suffix = subject.path.suffix
    adb.push(serial, subject.path, f"{folder}/model{suffix}")
    adb.push(serial, subject.views, f"{folder}/views")
    names = (RUNTIMES[suffix].library, f"model{suffix}", "views", "out.json")
    words = [
        *(f"{folder}/{name}" for name in names),
        *(plan.provider, str(plan.threads), str(mode.warmups)),
        *(str(mode.queries), f"{mode.seconds:g}"),
    ]
    # LiteRT looks for its accelerators' libraries where the system does.
    run = f"export LD_LIBRARY_PATH={folder}; exec {folder}/ralibench {' '.join(words)}"
    adb.script(serial, f"echo $$ > {folder}/pid; {run}", seconds=_LONGEST_S)
    text = adb.shell(serial, ["cat", f"{folder}/out.json"], most=MOST_BYTES)
    return read_measured(text, queries=mode.queries)


def _record(
    seat: Seat,
    plan: AndroidPlan,
    subject: _Subject,
    told: Device,
    measured: Measured,
    before: Condition,
    after: Condition,
) -> Record:
    figures: dict[str, Any] = {
        "score": measured.score,
        "host_score": subject.score,
        "asked_for": plan.provider,
        "mode": plan.mode.name,
        "library_sha256": sha256_path(plan.libraries(subject.path.suffix)[0]),
        **{f"nodes_{name}": count for name, count in measured.nodes.items()},
    }
    return Record(
        kind="latency",
        run=seat.fleet.run,
        time=here.now(),
        commit=here.commit(),
        model=subject.model,
        device=told,
        runtime=RanBy(
            name=measured.runtime,
            version=measured.version,
            unit=measured.unit,
            threads=plan.threads,
        ),
        protocol=Protocol(
            quick=plan.mode.quick,
            rounds=1,
            warmups=plan.mode.warmups,
            cooldown_s=0.0,
            command=seat.fleet.command,
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
