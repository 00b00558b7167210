"""A small stand-in for the adb program: devices are folders, their shells this machine's."""

from __future__ import annotations

import json
from pathlib import Path

_ADB = """#!/bin/sh
root={root}
[ "$1" = devices ] && {{ echo "List of devices attached"; cat "$root/devices"; exit 0; }}
serial=$2 home="$root/$2"
gone() {{ echo "adb: device '$serial' not found"; exit 1; }}
[ -e "$home/gone" ] && gone
case $3 in
push) cp "$4" "$(echo "$5" | sed "s#/data/local/tmp#$home/tmp#g")" ;;
shell)
    echo "$4" >>"$home/log"
    PATH="$home/bin:$PATH" sh -c "$(echo "$4" | sed \
        "s#/data/local/tmp#$home/tmp#g; s#/sdcard/Android/data/[a-z.]*/files#$home/app#g")"
    code=$?
    [ -e "$home/gone" ] && gone
    exit $code ;;
esac
"""
_GETPROP = """#!/bin/sh
case $1 in
ro.product.manufacturer) echo Made ;;
ro.product.model) echo Up 1 ;;
ro.build.version.release) echo 15 ;;
ro.soc.model) echo SoC-1 ;;
ro.hardware) echo hw ;;
esac
"""
_DUMPSYS = """#!/bin/sh
case $1 in
thermalservice) echo "Thermal Status: $(cat {home}/heat)" ;;
battery) printf '  USB powered: true\\n  level: %s\\n' "$(cat {home}/level)" ;;
esac
"""
MEASURED = {
    "runtime": "onnxruntime",
    "version": "1.31.1",
    "machine": "aarch64",
    "load_s": 0.1,
    "first_s": 0.02,
    "score": 3.0,
    "peak_bytes": 1 << 27,
    "steady_bytes": 1 << 26,
    "nodes": {"NnapiExecutionProvider": 70, "CPUExecutionProvider": 7},
    "inference_s": [0.01] * 16,
}


class FakePhones:
    """Folders that a fake `adb` takes for devices.

    Args:
        root: Where they lie.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.adb = _program(root / "adb", _ADB.format(root=root))
        (root / "devices").write_text("")
        self.library = root / "libonnxruntime.so"
        self.library.write_bytes(b"library")

    def attach(self, serial: str, *, machine: str = "aarch64", state: str = "device") -> Path:
        """A device's folder: bin, tmp, heat (0 to 6) and level (0 to 100)."""
        home = self.root / serial
        (home / "bin").mkdir(parents=True)
        (home / "tmp").mkdir()
        (home / "heat").write_text("0")
        (home / "level").write_text("80")
        _program(home / "bin/getprop", _GETPROP)
        _program(home / "bin/dumpsys", _DUMPSYS.format(home=home))
        _program(home / "bin/uname", f"#!/bin/sh\necho {machine}\n")
        with (self.root / "devices").open("a") as stream:
            stream.write(f"{serial} {state} usb:1-1 product:up model:Up_1 device:up\n")
        return home

    def demo(self, home: Path, then: str) -> None:
        """An installed demo app: `then` is shell that runs as it is started.

        It may use $RUN, the run's name, and $HERE, the device's folder: the app's files lie in
        its ``app``.
        """
        (home / "app").mkdir()
        _program(
            home / "bin/am",
            f"#!/bin/sh\nHERE={home}\n[ $1 = start ] || {{ rm -f $HERE/alive; exit 0; }}\n"
            f"echo $* >$HERE/started; touch $HERE/alive; for RUN; do :; done\n{then}\n",
        )
        _program(home / "bin/pidof", f"#!/bin/sh\n[ -e {home}/alive ] && echo 42\n")

    def program(self, writes: object = MEASURED, *, then: str = "") -> Path:
        """A stand-in for `ralibench` that writes this, then runs a line of shell."""
        text = writes if isinstance(writes, str) else json.dumps(writes)
        return _program(
            self.root / "ralibench", f"#!/bin/sh\ncat >\"$4\" <<'END'\n{text}\nEND\n{then}\n"
        )


def _program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o700)
    return path
