"""Xcode's own tools, as a benchmark needs them: `xcrun devicectl` and `xcodebuild`.

devicectl's JSON file is its interface for programs (its help says that what it prints is not);
which members are there is known from public logs of it, not from Apple's documentation.
"""

from __future__ import annotations

import plistlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ralikit.bench.calls import Calls, DeviceError
from ralikit.errors import UsageError
from ralikit.files import parse_json, to_json
from ralikit.printable import shown

_MOST = 4 << 20
_LOG = 64 << 20
"""Most bytes of a build's log."""
_UDID = re.compile(r"[0-9A-Za-z-]{8,64}\Z")
_ARRAY = re.compile(rb"^\[\s*\n.*?^\]", re.DOTALL | re.MULTILINE)
_BUNDLE = re.compile(r"[A-Za-z0-9.-]{1,155}\Z")


@dataclass(frozen=True, kw_only=True)
class Iphone:
    """A device of iOS that the Mac knows. `udid` and `identifier` tell whose: never in a record."""

    udid: str
    identifier: str
    model: str
    state: str

    @property
    def ready(self) -> bool:
        """Whether it can be reached; "disconnected" is a tunnel that opens when it is needed."""
        return self.state != "unavailable"


class Xcode:
    """`xcrun` and `xcodebuild`.

    Raises:
        UsageError: If they are not here: this is no Mac, or one without Xcode.
    """

    def __init__(self) -> None:
        missing = [name for name in ("xcrun", "xcodebuild") if shutil.which(name) is None]
        if missing:
            raise UsageError(
                f"{missing[0]} is not here: ralikit bench ios needs a Mac with Xcode 16 or later; "
                "without one, share the record from the iOS demo's benchmark screen"
            )
        self._calls = Calls()

    def devices(self) -> list[Iphone]:
        """The devices of iOS that devicectl lists, reachable or not.

        Raises:
            DeviceError: If it fails, or its list cannot be read.
        """
        with TemporaryDirectory(prefix="ralikit-") as folder:
            out = Path(folder) / "devices.json"
            self._devicectl(["list", "devices", "--json-output", str(out)], seconds=60)
            return devices_in(_json(out))

    def install(self, udid: str, app: Path) -> None:
        """Put a built and signed app onto a device."""
        self._devicectl(["device", "install", "app", "--device", udid, str(app)], seconds=600)

    def launch(
        self, udid: str, bundle: str, variables: Mapping[str, str], *, seconds: float
    ) -> None:
        """Start an app afresh, with variables in its environment, and wait for its end."""
        words = ["device", "process", "launch", "--device", udid, "--terminate-existing"]
        told = to_json(dict(variables), indent=None)
        words += ["--console", "--environment-variables", told, bundle]
        self._devicectl(words, seconds=seconds)

    def copy_out(self, udid: str, bundle: str, source: str, to: Path) -> None:
        """Copy a file out of an app's own folder."""
        words = ["device", "copy", "from", "--device", udid, "--domain-type", "appDataContainer"]
        words += ["--domain-identifier", bundle, "--source", source, "--destination", str(to)]
        self._devicectl(words, seconds=120)

    def test(
        self,
        project: Path,
        scheme: str,
        *,
        udid: str,
        settings: Mapping[str, str],
        variables: Mapping[str, str],
        seconds: float,
    ) -> None:
        """Build a scheme's app and test, install both on a device and run the test there.

        Args:
            project: The .xcodeproj.
            scheme: The scheme's name.
            udid: The device.
            settings: Build settings that replace the project's.
            variables: For the environment of the test's process.
            seconds: Longest time, building included.
        """
        words = ["xcodebuild", "test", "-quiet", "-project", str(project), "-scheme", scheme]
        words += ["-destination", f"id={udid}", "-allowProvisioningUpdates"]
        words += [f"{name}={value}" for name, value in settings.items()]
        self._calls.call(
            words,
            what="xcodebuild test",
            seconds=seconds,
            most=_LOG,
            # xcodebuild hands these to the test, without the prefix.
            environment={f"TEST_RUNNER_{name}": value for name, value in variables.items()},
        )

    def bundle_of(self, project: Path, scheme: str, target: str) -> str:
        """The identifier of a target's product, as the project's settings have it.

        Raises:
            DeviceError: If xcodebuild does not say.
        """
        words = ["xcodebuild", "-showBuildSettings", "-json", "-project", str(project)]
        out = self._calls.call(
            [*words, "-scheme", scheme], what="xcodebuild", seconds=300, most=_LOG
        )
        # A package manager may tell of its work before the list and after it.
        array = _ARRAY.search(out)
        listed = _parsed(array[0], "xcodebuild's settings") if array else None
        for entry in _entries(listed):
            settings = entry.get("buildSettings")
            if entry.get("target") == target and isinstance(settings, dict):
                return _bundle(settings.get("PRODUCT_BUNDLE_IDENTIFIER"), f"the target {target}")
        raise DeviceError(f"xcodebuild names no settings of the target {target}")

    def _devicectl(self, words: list[str], *, seconds: float) -> None:
        verb = " ".join(["devicectl", *words[: 2 if words[0] == "list" else 3]])
        self._calls.call(["xcrun", "devicectl", *words], what=verb, seconds=seconds, most=_MOST)


def bundle_in(app: Path) -> str:
    """The identifier of a built app.

    Raises:
        UsageError: If the folder is no app.
    """
    try:
        values = plistlib.loads((app / "Info.plist").read_bytes())
    except (OSError, ValueError, plistlib.InvalidFileException) as error:
        raise UsageError(f"{app} is no built app for iOS: its Info.plist cannot be read") from error
    return _bundle(values.get("CFBundleIdentifier"), str(app))


def devices_in(listed: object) -> list[Iphone]:
    """The iPhones and iPads in the JSON of ``devicectl list devices``.

    Raises:
        DeviceError: If it is another JSON.
    """
    result = listed.get("result") if isinstance(listed, dict) else None
    if not isinstance(result, dict) or not isinstance(result.get("devices"), list):
        raise DeviceError("devicectl's list has no result.devices: is Xcode 16 or later selected?")
    found = []
    for entry in _entries(result["devices"]):
        hardware, connection = entry.get("hardwareProperties"), entry.get("connectionProperties")
        if not isinstance(hardware, dict) or not isinstance(connection, dict):
            continue
        udid = hardware.get("udid")
        real = hardware.get("reality", "physical") == "physical"
        if hardware.get("platform") != "iOS" or not real:
            continue
        if isinstance(udid, str) and _UDID.match(udid):
            found.append(
                Iphone(
                    udid=udid,
                    identifier=str(entry.get("identifier", "")),
                    model=shown(str(hardware.get("marketingName", "an iPhone")), most=64),
                    state=shown(str(connection.get("tunnelState", "unknown")), most=32),
                )
            )
    return found


def _entries(values: object) -> list[dict[str, Any]]:
    return [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []


def _bundle(value: object, where: str) -> str:
    if not isinstance(value, str) or not _BUNDLE.match(value):
        raise DeviceError(f"{where} has no bundle identifier")
    return value


def _json(path: Path) -> object:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST + 1)
    except OSError as error:
        raise DeviceError("devicectl wrote no JSON: is Xcode 16 or later selected?") from error
    if len(data) > _MOST:
        raise DeviceError(f"devicectl's JSON has more than {_MOST:,} bytes")
    return _parsed(data, "devicectl's JSON")


def _parsed(data: bytes, what: str) -> object:
    try:
        values: object = parse_json(data.decode())
    except ValueError as error:
        raise DeviceError(f"{what} cannot be read: {error}") from error
    return values
