"""`ralikit bench android --app`: the Android demo's own benchmark, started and read through adb.

The app measures and seals (android_demo); here it is started with what it shall do, waited for, and
its record read out of its folder on shared storage. Everything it says is a stranger's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from ralikit.bench.adb import PLAIN, Adb
from ralikit.bench.calls import DeviceError
from ralikit.bench.fleet import Seat, chosen_of, on_every
from ralikit.bench.measured import MOST_BYTES
from ralikit.bench.modes import Mode
from ralikit.bench.phone import phone
from ralikit.bench.records import Record, unseal
from ralikit.errors import UsageError
from ralikit.lines import numbered_lines
from ralikit.printable import shown
from ralikit.progress import Tell

DEMO = "org.ralikit.demo.app"
"""The demo's application id, and the package of its activity."""


@dataclass(frozen=True, kw_only=True)
class AppPlan:
    """What to measure and how.

    Attributes:
        app: The installed app's id.
        mode: How long.
        serials: The devices; empty: every one that is attached.
        coolest_wait_s: Longest wait for a warm device, seconds.
        longest_s: Longest wait for a record, seconds.
        pause_s: Between two looks, seconds.
    """

    mode: Mode
    app: str = DEMO
    serials: tuple[str, ...] = ()
    coolest_wait_s: float = 600.0
    longest_s: float = 3600.0
    pause_s: float = 2.0

    @property
    def place(self) -> str:
        """Where the app leaves its record; an ``.error`` beside it says why there is none."""
        return f"/sdcard/Android/data/{self.app}/files/ralikit-benchmark.jsonl"


def bench_app(
    plan: AppPlan,
    *,
    adb: Adb,
    command: str,
    progress: Tell | None = None,
    warn: Callable[[str], None],
) -> Generator[Record]:
    """Run the app's benchmark on every device; records come as they are finished.

    Args:
        plan: What to measure.
        adb: The bridge.
        command: The command; the app writes its own into the record.
        progress: Told how far each device is.
        warn: Told what is wrong with a device; the others go on.

    Raises:
        UsageError: If no device is ready, or the words are wrong.
        DeviceError: At the end, if a device did not finish.
    """
    if not PLAIN.match(plan.app) or "/" in plan.app:
        raise UsageError(f"--app is an application's id, e.g. {DEMO}, not {plan.app!r}")
    chosen = chosen_of(adb.devices(), plan.serials)

    def work(seat: Seat) -> None:
        _measure_device(seat, plan)

    yield from on_every(chosen, work, adb=adb, command=command, progress=progress, warn=warn)


def _measure_device(seat: Seat, plan: AppPlan) -> None:
    emulated = phone(seat.adb, seat.serial).emulated
    seat.cool(longest_s=plan.coolest_wait_s, pause_s=plan.pause_s)
    try:
        _start(seat, plan)
        record = _awaited(seat, plan)
    finally:
        files = f"{plan.place} {plan.place}.error"
        seat.adb.clean(seat.serial, f"am force-stop {plan.app}; rm -f {files}")
    if emulated and not record.device.emulated:
        raise DeviceError("it is emulated, which its record does not say: the record is refused")
    seat.hand_on(record)


def _start(seat: Seat, plan: AppPlan) -> None:
    words = ["am", "start", "-W", "-S", "-n", f"{plan.app}/{DEMO}.MainActivity"]
    words += ["--es", "ralikit.bench", plan.mode.name, "--es", "ralikit.run", seat.fleet.run]
    said = seat.adb.shell(seat.serial, words, seconds=60.0)
    wrong = [line for line in said.split("\n") if line.startswith("Error")]
    if wrong:  # am's exit code is 0 on some versions
        raise DeviceError(f"{plan.app} does not start, is it installed? {shown(wrong[-1])}")


def _awaited(seat: Seat, plan: AppPlan) -> Record:
    """The record of this run, once the app has written it."""
    until = time.monotonic() + plan.longest_s
    # Whether it still runs comes first: an app that ends after that has written before.
    script = (
        f"echo $(pidof {plan.app}); echo $(cat {plan.place}.error 2>/dev/null); "
        f"cat {plan.place} 2>/dev/null; true"
    )
    run = seat.fleet.run
    while True:
        seat.tell(f"{plan.app} measures", 0.0)
        said = seat.adb.script(seat.serial, script, most=MOST_BYTES)
        alive, error, lines = [*said.split("\n", 2), "", ""][:3]
        record = _record(lines, run)
        if record is not None:
            return record
        if error.startswith(f"{run}: "):
            raise DeviceError(shown(error.removeprefix(f"{run}: "), most=300))
        if not alive.strip():
            raise DeviceError(f"{plan.app} ended without a record")
        if time.monotonic() >= until:
            raise DeviceError(f"no record of {plan.app} after {plan.longest_s:g} s")
        seat.wait(plan.pause_s)


def _record(lines: str, run: str) -> Record | None:
    """The record of this run among the lines; None where there is none yet.

    Raises:
        RecordError: If its seal does not fit.
    """
    for _, line in numbered_lines(lines.encode()):
        record = unseal(line.strip(), where="the device's record")
        if record.run == run and record.kind == "latency" and record.device.kind == "phone":
            return record
    return None
