"""`ralikit bench ios`: the demo's benchmark test on attached iPhones, through Xcode's own tools."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ralikit.bench.adb import DeviceError
from ralikit.bench.modes import Mode
from ralikit.bench.records import Record, RecordError, unseal
from ralikit.errors import UsageError
from ralikit.files import parse_json
from ralikit.printable import shown
from ralikit.progress import Tell

MARK = "RALIKIT-RECORD "
"""Before every record that the demo's test prints."""
_MOST = 4 << 20
_LONGEST_S = 3600
_UDID = re.compile(r"[0-9A-Fa-f-]{8,64}\Z")


@dataclass(frozen=True, kw_only=True)
class IosPlan:
    """What to measure: the project's folder, how long, and the devices (empty: every one)."""

    project: Path
    mode: Mode
    udids: tuple[str, ...] = ()


def bench_ios(
    plan: IosPlan, *, progress: Tell | None = None, warn: Callable[[str], None]
) -> Iterator[Record]:
    """Measure on every device, one after another; records come as a device is finished.

    Raises:
        UsageError: Where there is no Mac, no project, or no device.
        DeviceError: At the end, if a device did not finish.
    """
    if sys.platform != "darwin":
        raise UsageError(
            "ralikit bench ios needs a Mac with Xcode: run it there, or share the record from the "
            "iOS demo's benchmark screen"
        )
    project = plan.project / "RaliDemo.xcodeproj"
    if not project.is_dir():
        raise UsageError(f"{project} is not there: say --project with the folder ios_demo")
    found = attached()
    udids = plan.udids or tuple(found)
    if not udids or set(udids) - set(found):
        raise UsageError("no such iPhone is connected: see xcrun devicectl list devices")
    failed = 0
    for number, udid in enumerate(udids):
        name = f"{found[udid]} ({number + 1})"
        if progress is not None:
            progress(name, number / len(udids))
        try:
            yield from _measure(project, udid, plan.mode)
        except (DeviceError, RecordError) as error:
            failed += 1
            warn(f"{name}: {str(error).replace(udid, 'it')}")
    if failed:
        raise DeviceError(f"{failed} of {len(udids)} device(s) did not finish; the rest is kept")


def attached() -> dict[str, str]:
    """Names of models of connected devices, by UDID."""
    with TemporaryDirectory(prefix="ralikit-") as folder:
        out = Path(folder) / "devices.json"
        _run(["xcrun", "devicectl", "list", "devices", "--json-output", str(out)], seconds=60)
        try:
            return devices(parse_json(out.read_bytes()[:_MOST]))
        except (OSError, ValueError) as error:
            raise DeviceError(f"xcrun devicectl: its list cannot be read: {error}") from error


def devices(listed: Any) -> dict[str, str]:
    """Model names by UDID from `devicectl`'s JSON; what is no device of iOS is left out."""
    found = {}
    result = listed.get("result") if isinstance(listed, dict) else None
    for entry in result.get("devices", []) if isinstance(result, dict) else []:
        hardware = entry.get("hardwareProperties") if isinstance(entry, dict) else None
        if not isinstance(hardware, dict) or hardware.get("platform") != "iOS":
            continue
        udid = hardware.get("udid")
        if isinstance(udid, str) and _UDID.match(udid):
            found[udid] = shown(str(hardware.get("marketingName", "an iPhone")), most=64)
    return found


def _measure(project: Path, udid: str, mode: Mode) -> Iterator[Record]:
    words = [
        *("xcodebuild", "test", "-project", str(project), "-scheme", "RaliDemo"),
        *("-destination", f"id={udid}", "-only-testing:RaliDemoTests/BenchmarkRun"),
        "-allowProvisioningUpdates",
    ]
    output = _run(words, seconds=_LONGEST_S, mode=mode.name)
    records = list(records_in(output))
    if not records:
        raise DeviceError("xcodebuild test ended without a record")
    yield from records


def records_in(output: bytes) -> Iterator[Record]:
    """The records in a test's output.

    Raises:
        RecordError: If one is not whole.
    """
    for line in output[:_MOST].split(b"\n"):
        _, mark, rest = line.partition(MARK.encode())
        if mark:
            yield unseal(rest.strip(), where="the device's record")


def _run(words: list[str], *, seconds: int, mode: str = "") -> bytes:
    # xcodebuild hands on what begins with TEST_RUNNER_, without that prefix.
    environment = {**os.environ, "TEST_RUNNER_RALIKIT_BENCH": mode} if mode else None
    try:
        done = subprocess.run(  # noqa: S603 (no shell here)
            words, capture_output=True, timeout=seconds, check=False, env=environment
        )
    except FileNotFoundError as error:
        raise UsageError(f"{words[0]} is not here: install Xcode") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{words[0]}: no end after {seconds} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise DeviceError(f"{words[0]}: {shown(said[-1]) if said else 'it failed'}")
    return done.stdout
