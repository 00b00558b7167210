"""What this computer is, read from the system; what cannot be read says so."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from ralikit.bench.records import Device, Memory, State

_WORTH_NAMING = (
    "avx2",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
)


def host() -> Device:
    """The computer this runs on."""
    return Device(
        kind="host",
        name=platform.node() or "unknown",
        os=f"{platform.system()} {platform.release()}",
        chip=_chip(),
        cores=cores(),
        memory_bytes=_memory_bytes(),
    )


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _chip() -> str:
    """Processor's name and the instruction sets that decide these speeds."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine() or "unknown"
    lines = [line.partition(":") for line in text.splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    name = fields.get("model name", platform.machine())
    found = [flag for flag in _WORTH_NAMING if flag in flags]
    return f"{name} ({', '.join(found)})" if found else name


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def state(before: State | None = None) -> State:
    """Read thermal and power state; called before, then with that value after.

    Linux: the hottest thermal zone and the first battery's status; elsewhere "unknown".
    """
    thermal, power = _thermal(), _power()
    if before is None:
        return State(thermal_before=thermal, power_before=power)
    return State(
        thermal_before=before.thermal_before,
        thermal_after=thermal,
        power_before=before.power_before,
        power_after=power,
    )


def _thermal() -> str:
    temperatures = []
    for zone in Path("/sys/class/thermal").glob("thermal_zone*/temp"):
        try:
            temperatures.append(int(zone.read_text()) / 1000)
        except (OSError, ValueError):
            continue
    return f"{max(temperatures):.0f} degrees Celsius" if temperatures else "unknown"


def _power() -> str:
    for supply in sorted(Path("/sys/class/power_supply").glob("BAT*/status")):
        try:
            return f"battery {supply.read_text().strip().lower()}"
        except OSError:
            continue
    return "unknown"


def memory() -> Memory:
    """Memory of this process: peak and current resident set, and what no other process shares."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource
        import sys

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return Memory(peak_bytes=peak, steady_bytes=peak, private_bytes=0, how="getrusage maximum")
    fields = _kilobytes(status)
    rollup = _kilobytes(Path("/proc/self/smaps_rollup"))
    private = rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0)
    return Memory(
        peak_bytes=fields.get("VmHWM", 0),
        steady_bytes=fields.get("VmRSS", 0),
        private_bytes=private,
        how="VmHWM, VmRSS; private pages of smaps_rollup",
    )


def _kilobytes(path: Path) -> dict[str, int]:
    """Lines such as ``VmHWM:  1234 kB`` as bytes by name."""
    found: dict[str, int] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return found
    for line in text.splitlines():
        parts = line.replace(":", " ").split()
        if len(parts) == 3 and parts[2] == "kB" and parts[1].isdigit():
            found[parts[0]] = int(parts[1]) * 1024
    return found


def now() -> str:
    """The time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit() -> str:
    """Commit of the checkout this package runs from, with ``-dirty`` where files changed; or ""."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    inside = (here / "../../../.git").resolve().exists()
    return done.stdout.strip() if done.returncode == 0 and inside else ""
