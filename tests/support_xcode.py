"""A small stand-in for `xcrun devicectl` and `xcodebuild`: devices are folders.

The JSON of `devicectl list devices` has the members, and the nesting, of what public logs of
Xcode 16 show; the words of a call are those that its users write. No Mac has run it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

_TOOL = """#!{python} -IS
import json, os, pathlib, sys
root = pathlib.Path({root!r})
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with open(root / "log", "a") as log:
    log.write(json.dumps([name, *words]) + "\\n")

def option(word):
    return words[words.index(word) + 1]

def end(text):
    print(text)
    sys.exit(1)

def device(udid):
    home = root / udid
    if not home.is_dir() or (home / "gone").exists():
        end("ERROR: The specified device was not found. (CoreDeviceError error 1000)\\n"
            "       DeviceIdentifier = " + udid)
    return home

def measure(udid, order):
    home = device(udid)
    (home / "order").write_text(json.dumps(order))
    text = (home / "writes").read_text().replace("RUN", order["RALIKIT_BENCH_RUN"])
    import importlib.util
    spec = importlib.util.spec_from_file_location("sealing", root / "sealing.py")
    sealing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sealing)
    (home / "record").write_bytes(sealing.lines(text, (home / "broken").exists()))
    if (home / "dies").exists():
        (home / "gone").touch()
        end("** TEST FAILED **")
    if (home / "fails").exists():
        end("** TEST FAILED **")

if name == "xcodebuild" and "-showBuildSettings" in words:
    print("Resolve Package Graph [1/2]")
    print(json.dumps([{{"action": "build", "target": "RaliDemo", "buildSettings":
        {{"PRODUCT_BUNDLE_IDENTIFIER": "io.github.ralikit.demo"}}}}], indent=2))
    print("note: done")
elif name == "xcodebuild":
    prefix = "TEST_RUNNER_"
    measure(option("-destination").removeprefix("id="),
            {{k.removeprefix(prefix): v for k, v in os.environ.items() if k.startswith(prefix)}})
elif words[:3] == ["devicectl", "list", "devices"]:
    pathlib.Path(option("--json-output")).write_text((root / "listed").read_text())
elif words[:4] == ["devicectl", "device", "install", "app"]:
    (device(option("--device")) / "installed").write_text(words[-1])
elif words[:4] == ["devicectl", "device", "process", "launch"]:
    measure(option("--device"), json.loads(option("--environment-variables")))
elif words[:4] == ["devicectl", "device", "copy", "from"]:
    home = device(option("--device"))
    assert option("--domain-type") == "appDataContainer"
    assert option("--domain-identifier") == "io.github.ralikit.demo"
    assert option("--source") == "Documents/ralikit-benchmark.jsonl"
    if not (home / "record").exists():
        end("ERROR: The file does not exist.")
    pathlib.Path(option("--destination")).write_bytes((home / "record").read_bytes())
else:
    end("error: unknown words " + " ".join(words))
"""
_SEALING = """
import hashlib
def lines(text, broken):
    out = b""
    for body in text.splitlines():
        body = body.encode()
        out += body[:-1] + b',"sha256":"%s"}\\n' % hashlib.sha256(body).hexdigest().encode()
    return out.replace(b'"cores": 6', b'"cores": 8') if broken else out
"""


class FakeXcode:
    """Folders that stand-ins for `xcrun` and `xcodebuild` take for iPhones.

    Args:
        root: Where they lie.
        monkeypatch: Puts the programs on the path.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.devices: list[dict[str, Any]] = []
        (root / "bin").mkdir()
        (root / "sealing.py").write_text(_SEALING)
        for name in ("xcrun", "xcodebuild"):
            program = root / "bin" / name
            program.write_text(_TOOL.format(python=sys.executable, root=str(root)))
            program.chmod(0o700)
        monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
        self._list()

    def attach(self, udid: str, writes: str, **changes: Any) -> Path:
        """A device's folder; `writes` are the bodies of the records that it will seal."""
        home = self.root / udid
        home.mkdir()
        (home / "writes").write_text(writes)
        hardware = {
            "deviceType": "iPhone",
            "marketingName": "iPhone 15 Pro",
            "platform": "iOS",
            "productType": "iPhone16,1",
            "reality": "physical",
            "udid": udid,
        }
        entry: dict[str, Any] = {
            "connectionProperties": {
                "pairingState": "paired",
                "transportType": "wired",
                "tunnelState": changes.pop("state", "connected"),
            },
            "deviceProperties": {"name": "Somebody's iPhone", "osVersionNumber": "18.4.1"},
            "hardwareProperties": hardware | changes,
            "identifier": f"CORE-{udid}",
            "visibilityClass": "default",
        }
        self.devices.append(entry)
        self._list()
        return home

    def calls(self) -> list[list[str]]:
        """What was called, program first."""
        return [json.loads(line) for line in (self.root / "log").read_text().splitlines()]

    def _list(self) -> None:
        info = {"commandType": "devicectl.list.devices", "jsonVersion": 2, "outcome": "success"}
        listed = {"info": info, "result": {"devices": self.devices}}
        (self.root / "listed").write_text(json.dumps(listed))
