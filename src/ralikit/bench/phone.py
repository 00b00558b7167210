"""What an Android device says of itself: name, heat, battery. Every text is a stranger's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ralikit.bench.adb import Adb
from ralikit.bench.calls import DeviceError
from ralikit.bench.records import Device
from ralikit.printable import shown

THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""Android's `PowerManager.THERMAL_STATUS_*`, 0 to 6."""
_WEAK = 20
_PROPERTIES = (
    "ro.product.manufacturer",
    "ro.product.model",
    "ro.build.version.release",
    "ro.soc.manufacturer",
    "ro.soc.model",
    "ro.hardware",
    "ro.kernel.qemu",
    "ro.boot.qemu",
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Thermal and power state, as Android names them; what it does not tell is unknown."""

    thermal: str
    power: str
    weak: bool = False

    @property
    def hot(self) -> bool:
        """Whether the device is throttled or about to be."""
        return self.thermal in THERMAL[1:]


def phone(adb: Adb, serial: str) -> Device:
    """The device, without anything that tells whose it is.

    A machine whose own `uname` is not ARM64, or that calls itself an emulator, is emulated.
    """
    said = _properties(adb, serial)
    name = _joined(said, "ro.product.manufacturer", "ro.product.model") or "unknown"
    chip = _joined(said, "ro.soc.manufacturer", "ro.soc.model") or said["ro.hardware"]
    machine = _asked(adb, serial, ["uname", "-m"])
    qemu = "1" in (said["ro.kernel.qemu"], said["ro.boot.qemu"])
    release = said["ro.build.version.release"]
    cores = _asked(adb, serial, ["nproc"])
    memory = re.search(r"MemTotal:\s+(\d{1,12}) kB", _asked(adb, serial, ["cat", "/proc/meminfo"]))
    return Device(
        kind="phone",
        name=name.replace(serial, "SERIAL"),
        os=f"Android {release}" if release else "unknown",
        chip=(chip or machine or "unknown").replace(serial, "SERIAL"),
        cores=int(cores) if cores.isdecimal() and len(cores) < 4 else 0,
        memory_bytes=int(memory[1]) * 1024 if memory else 0,
        emulated=qemu or machine not in ("aarch64", "armv8l"),
    )


def condition(adb: Adb, serial: str) -> Condition:
    """Heat and battery now.

    Raises:
        DeviceError: If the device is gone.
    """
    adb.shell(serial, ["true"])  # what follows may fail for lack of a service; this may not
    heat = re.search(
        r"Thermal Status: ([0-6])\b", _asked(adb, serial, ["dumpsys", "thermalservice"])
    )
    text = _asked(adb, serial, ["dumpsys", "battery"])
    level = re.search(r"^\s*level: (\d{1,3})\s*$", text, re.MULTILINE)
    plugged = re.search(r"^\s*(AC|USB|Wireless) powered: true\s*$", text, re.MULTILINE)
    if level is None:
        power = "unknown"
    else:
        power = f"battery {level[1]} %, {plugged[1] if plugged else 'not'} powered"
    return Condition(
        thermal=THERMAL[int(heat[1])] if heat else "unknown",
        power=power,
        weak=level is not None and int(level[1]) < _WEAK,
    )


def _properties(adb: Adb, serial: str) -> dict[str, str]:
    """The properties that are asked for, in one call; "" where the device lacks one."""
    script = f"for name in {' '.join(_PROPERTIES)}; do echo $name=$(getprop $name); done"
    try:
        lines = adb.script(serial, script).split("\n")
    except DeviceError:
        lines = []
    pairs = dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: shown(pairs.get(name, "").strip(), most=64) for name in _PROPERTIES}


def _joined(said: dict[str, str], *names: str) -> str:
    words = [said[name] for name in names if said[name]]
    return " ".join(dict.fromkeys(words))


def _asked(adb: Adb, serial: str, words: list[str]) -> str:
    """What a command says, "" where the device lacks it."""
    try:
        text = adb.shell(serial, words).strip()
    except DeviceError:
        return ""
    return text if words[0] in ("dumpsys", "cat") else shown(text, most=64)
