"""`ralikit bench ios`: the demo's benchmark on attached iPhones, through Xcode's own tools.

The app measures and seals; here it is started and its records are copied out. Devices take turns,
and a device's records are handed on before the next one starts.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ralikit.bench import device as here
from ralikit.bench.apple import Iphone, Xcode, bundle_in
from ralikit.bench.calls import DeviceError, unfinished
from ralikit.bench.modes import Mode
from ralikit.bench.records import Record, unseal
from ralikit.bench.seal import RecordError
from ralikit.errors import UsageError
from ralikit.progress import Tell

UNITS = ("all", "cpu", "gpu", "neural engine")
"""What Core ML may compute on, as records name it (runtimes/swift)."""
SCHEME = "RaliBench"
_TARGET = "RaliDemo"
_FILE = "Documents/ralikit-benchmark.jsonl"
_LONGEST_S = 7200.0
_MOST = 16 << 20


@dataclass(frozen=True, kw_only=True)
class IosPlan:
    """What to measure and how.

    Attributes:
        project: The folder ``ios_demo``, whose benchmark test is built and run.
        app: A built and signed ``RaliDemo.app`` to install and launch instead, or None.
        mode: How long.
        units: Of `UNITS`, measured in turns.
        team: The Apple developer team that signs, or "": the project's.
        udids: The devices; empty: every one that can be reached.
    """

    project: Path
    mode: Mode
    app: Path | None = None
    units: tuple[str, ...] = ("all",)
    team: str = ""
    udids: tuple[str, ...] = ()


def bench_ios(
    plan: IosPlan,
    *,
    xcode: Xcode,
    command: str,
    progress: Tell | None = None,
    warn: Callable[[str], None],
) -> Iterator[Record]:
    """Measure on every device; records come as a device is finished.

    Args:
        plan: What to measure.
        xcode: The tools.
        command: For the records; what tells whose a device is, is taken out.
        progress: Told which device is measured.
        warn: Told what is wrong with a device; the others go on.

    Raises:
        UsageError: If no device can be reached, or the words are wrong.
        DeviceError: At the end, if a device did not finish.
    """
    _check(plan)
    chosen = _chosen(xcode.devices(), plan.udids)
    project = plan.project / f"{_TARGET}.xcodeproj"
    bundle = bundle_in(plan.app) if plan.app else xcode.bundle_of(project, SCHEME, _TARGET)
    for each in chosen:
        command = command.replace(each.udid, "UDID").replace(each.identifier or each.udid, "UDID")
    failed = 0
    for number, each in enumerate(chosen):
        name = f"{each.model} ({number + 1})"
        if progress is not None:
            progress(name, number / len(chosen))
        run = f"ios-{here.now()}-{uuid.uuid4().hex[:6]}"
        try:
            yield from _measure(plan, xcode, each, bundle, run, command)
        except (DeviceError, RecordError) as error:
            failed += 1
            said = str(error).replace(each.udid, "it")
            warn(f"{name}: {said}")
    if failed:
        raise unfinished(failed, len(chosen))


def _check(plan: IosPlan) -> None:
    wrong = [unit for unit in plan.units if unit not in UNITS]
    if wrong or not plan.units or len(set(plan.units)) < len(plan.units):
        named = ", ".join(plan.units)
        raise UsageError(f"--units are some of {', '.join(UNITS)}, each once, not {named!r}")
    if plan.app is None and not (plan.project / f"{_TARGET}.xcodeproj").is_dir():
        raise UsageError(
            f"{plan.project} has no {_TARGET}.xcodeproj: say --project with the folder ios_demo, "
            "or --app with a built app"
        )
    if plan.app is not None and not plan.app.is_dir():
        raise UsageError(f"--app {plan.app} is not there: build it in Xcode first")


def _chosen(found: Sequence[Iphone], udids: Sequence[str]) -> list[Iphone]:
    """The devices to measure, all of them within reach."""
    known = {name for each in found for name in (each.udid, each.identifier)}
    missing = [udid for udid in udids if udid not in known]
    if missing:
        raise UsageError(
            f"no iPhone {', '.join(missing)} is known: see xcrun devicectl list devices"
        )
    wanted = [e for e in found if not udids or e.udid in udids or e.identifier in udids]
    ready = [each for each in wanted if each.ready]
    if not ready or (udids and len(ready) < len(wanted)):
        states = ", ".join(f"{each.model} is {each.state}" for each in wanted)
        raise UsageError(
            "no iPhone can be reached"
            + (f" ({states})" if states else "")
            + ": plug one in, unlock it, trust this Mac and switch Developer Mode on"
        )
    return ready


def _measure(
    plan: IosPlan, xcode: Xcode, each: Iphone, bundle: str, run: str, command: str
) -> Iterator[Record]:
    failure: DeviceError | None = None
    try:
        _run(plan, xcode, each, bundle, run, command)
    except DeviceError as error:
        failure = error
    # Whatever became of the run: what the app had written is worth a look.
    try:
        records = _records(xcode, each, bundle, run)
    except DeviceError as error:
        raise failure or error from error
    yield from records
    if failure is not None:
        raise failure
    if len(records) != len(plan.units):
        raise DeviceError(f"{len(records)} record(s) came for {len(plan.units)} compute unit(s)")


def _run(plan: IosPlan, xcode: Xcode, each: Iphone, bundle: str, run: str, command: str) -> None:
    order = {
        "RALIKIT_BENCH": plan.mode.name,
        "RALIKIT_BENCH_RUNNER": "app" if plan.app else "test",
        "RALIKIT_BENCH_UNITS": ",".join(plan.units),
        "RALIKIT_BENCH_RUN": run,
        "RALIKIT_BENCH_COMMAND": command,
    }
    if plan.app is not None:
        xcode.install(each.udid, plan.app)
        xcode.launch(each.udid, bundle, order, seconds=_LONGEST_S)
        return
    # The test reaches into the app, which a build for release forbids unless it is told.
    settings = {
        "ENABLE_TESTABILITY": "YES",
        **({"DEVELOPMENT_TEAM": plan.team} if plan.team else {}),
    }
    project = plan.project / f"{_TARGET}.xcodeproj"
    xcode.test(
        project,
        SCHEME,
        udid=each.udid,
        settings=settings,
        variables=order,
        seconds=_LONGEST_S,
    )


def _records(xcode: Xcode, each: Iphone, bundle: str, run: str) -> list[Record]:
    """The records that this run left in the app's documents.

    Raises:
        DeviceError: If there is no such file.
        RecordError: If a seal does not fit.
    """
    with TemporaryDirectory(prefix="ralikit-") as folder:
        to = Path(folder) / "records.jsonl"
        xcode.copy_out(each.udid, bundle, _FILE, to)
        try:
            with to.open("rb") as stream:
                data = stream.read(_MOST + 1)
        except OSError as error:
            raise DeviceError("the app left no record") from error
    if len(data) > _MOST:
        raise DeviceError(f"the app's records have more than {_MOST:,} bytes")
    read = [unseal(line, where="the device's record") for line in data.split(b"\n") if line]
    # An older run's file is no record of this one.
    return [r for r in read if r.run == run and r.kind == "latency" and r.device.kind == "phone"]
