"""Several attached devices at once: a thread each, and records handed on as they are finished.

A device that is unplugged takes nothing with it that was measured before, and stops no other.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Thread

from ralikit.bench import device as here
from ralikit.bench.adb import Adb, Attached
from ralikit.bench.calls import DeviceError, unfinished
from ralikit.bench.phone import Condition, condition
from ralikit.bench.records import Record
from ralikit.errors import UsageError
from ralikit.progress import Tell


@dataclass(kw_only=True)
class Fleet:
    """What the threads of one run share.

    Attributes:
        adb: The bridge.
        command: For the records, without serial numbers.
        run: The records' run.
        progress: Told how far each device is.
    """

    adb: Adb
    command: str
    run: str
    progress: Tell | None
    stopped: Event = field(default_factory=Event)
    found: SimpleQueue[Record | DeviceError] = field(default_factory=SimpleQueue)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One device's place in a run; `name` is what people and records may read of it."""

    fleet: Fleet
    serial: str
    name: str

    @property
    def adb(self) -> Adb:
        """The bridge."""
        return self.fleet.adb

    def tell(self, what: str, done: float) -> None:
        """Say what is going on, and how much is done (0 to 1).

        Raises:
            DeviceError: If the run was stopped.
        """
        if self.fleet.stopped.is_set():
            raise DeviceError("stopped")
        if self.fleet.progress is not None:
            self.fleet.progress(f"{self.name}: {what}", done)

    def hand_on(self, record: Record) -> None:
        """A record is finished."""
        self.fleet.found.put(record)

    def wait(self, seconds: float) -> None:
        """Sleep, but not over the end of a run."""
        self.fleet.stopped.wait(seconds)

    def cool(self, *, longest_s: float, pause_s: float) -> Condition:
        """Wait until the device is not throttled; then its state.

        Raises:
            DeviceError: If it is still warm after `longest_s`, or its battery is too low.
        """
        until = time.monotonic() + longest_s
        while True:
            now = condition(self.adb, self.serial)
            if now.weak:
                raise DeviceError(f"its {now.power} is too low for fair figures: charge it to 20 %")
            if not now.hot:
                return now
            if time.monotonic() >= until:
                raise DeviceError(f"still {now.thermal} after {longest_s:g} s: cool it")
            self.tell(f"cooling down, thermal status {now.thermal}", 0.0)
            self.wait(pause_s)


Work = Callable[[Seat], None]
"""Measures one device: hands records on, leaves nothing behind, raises what went wrong."""


def on_every(
    chosen: Sequence[Attached],
    work: Work,
    *,
    adb: Adb,
    command: str,
    progress: Tell | None,
    warn: Callable[[str], None],
) -> Generator[Record]:
    """Run `work` on every device; records come as they are finished.

    Closed before its end, it stops what runs and lets each device clean up.

    Args:
        chosen: The devices.
        work: What to do on each.
        adb: The bridge.
        command: For the records; serial numbers are taken out.
        progress: Told how far each device is.
        warn: Told what is wrong with a device; the others go on.

    Raises:
        DeviceError: At the end, if a device did not finish.
    """
    for each in chosen:
        command = command.replace(each.serial, "SERIAL")
    run = f"android-{here.now()}-{uuid.uuid4().hex[:6]}"
    fleet = Fleet(adb=adb, command=command, run=run, progress=progress)
    seats = [
        Seat(fleet=fleet, serial=each.serial, name=f"{each.model} ({number})")
        for number, each in enumerate(chosen, 1)
    ]
    threads = [Thread(target=_worked, args=(work, seat)) for seat in seats]
    failed = 0
    try:
        for thread in threads:
            thread.start()
        for item in _as_they_come(fleet, threads):
            if isinstance(item, Record):
                yield item
            else:
                failed += 1
                warn(str(item))
    finally:
        fleet.stopped.set()
        adb.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if failed:
        raise unfinished(failed, len(chosen))


def chosen_of(found: Sequence[Attached], serials: Sequence[str]) -> list[Attached]:
    """The devices to measure, all of them ready.

    Raises:
        UsageError: If none is, or one of `serials` is not.
    """
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


def _worked(work: Work, seat: Seat) -> None:
    try:
        work(seat)
    except Exception as error:  # noqa: BLE001 - a thread's last words: nothing is lost silently
        said = str(error).replace(seat.serial, "it")
        seat.fleet.found.put(DeviceError(f"{seat.name}: {said or type(error).__name__}"))


def _as_they_come(fleet: Fleet, threads: Sequence[Thread]) -> Iterator[Record | DeviceError]:
    while True:
        alive = any(thread.is_alive() for thread in threads)
        try:
            yield fleet.found.get(timeout=0.05 if alive else 0)
        except Empty:
            if not alive:
                return
