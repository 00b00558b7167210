"""`ralikit bench android` against a real adb and adbd, with the ARM64 program under emulation.

    ralibench.py OUT SITE   # OUT as ralibench.sh fills it; SITE holds both runtimes for ARM64

Prints ``ok NAME`` or ``FAILED NAME`` a check, then ``N passed, N failed``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ralikit.bench import records
from ralikit.bench.adb import Adb
from ralikit.bench.android import AndroidPlan, bench_android
from ralikit.bench.modes import MODES
from ralikit.report.devices import device_section

TINY = Path(__file__).parents[1] / "web/tiny_model.py"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def device(out: Path, home: Path) -> Iterator[str]:
    """A daemon and a server of their own, ended afterwards; the serial number of the device."""
    port, server = free_port(), free_port()
    os.environ |= {"ANDROID_ADB_SERVER_PORT": str(server), "HOME": str(home)}
    with (out / "adbd.log").open("wb") as log:
        daemons = [
            subprocess.Popen(
                words, env={**os.environ, "ADBD_PORT": str(port)}, stdout=log, stderr=log
            )
            # Left to itself adb starts its server as the file that runs: here that is the loader.
            for words in ([f"{out}/adbd"], [f"{out}/adb", "server", "nodaemon"])
        ]
    serial = f"127.0.0.1:{port}"
    try:
        for _ in range(30):
            told = subprocess.run([out / "adb", "connect", serial], capture_output=True, text=True)
            if told.stdout.startswith(("connected", "already")):
                break
            time.sleep(1)
        else:
            sys.exit(f"adb does not reach adbd: {told.stdout}{told.stderr}")
        yield serial
    finally:
        for daemon in daemons:
            daemon.terminate()
            daemon.wait()


def models(folder: Path) -> tuple[Path, Path]:
    """A file for each runtime, of a few operators: an emulator takes a minute for a real one."""
    from support_tflite import tiny_facts, tiny_file

    from ralikit.export.targets.tflite.target import write_facts

    onnx_file, tflite = folder / "tiny.onnx", folder / "tiny.tflite"
    subprocess.run([sys.executable, TINY, onnx_file], check=True)
    tflite.write_bytes(tiny_file("fp32"))
    write_facts(tflite, tiny_facts())
    return onnx_file, tflite


def measured(out: Path, site: Path, folder: Path, serial: str) -> list[records.Record]:
    """The records of both files."""
    photo = folder / "photo.png"
    Image.linear_gradient("L").convert("RGB").save(photo)
    plan = AndroidPlan(
        files=models(folder),
        program=out / "emulated",
        library=next(site.glob("onnxruntime/capi/libonnxruntime.so.*")),
        litert=(site / "ai_edge_litert/libLiteRt.so",),
        photo=photo,
        mode=MODES["quick"],
        serials=(serial,),
    )
    adb = Adb(out / "adb")
    return list(bench_android(plan, adb=adb, command="bench", warn=lambda text: print(text)))


def main() -> int:
    out, site = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    before = set(Path("/data/local/tmp").glob("ralikit-*"))
    with tempfile.TemporaryDirectory() as name, device(out, Path(name)) as serial:
        Path("/data/local/tmp").mkdir(parents=True, exist_ok=True)
        found = measured(out, site, Path(name), serial)
        records.append(Path(name) / "records.jsonl", found)
        read = records.read([Path(name) / "records.jsonl"])
    shown = device_section(read).tables[0]
    apart = [abs(r.figures["score"] - r.figures["host_score"]) for r in read]
    checks = {
        "both files were measured, in 16 queries or more": len(read) == 2
        and all(len(r.samples["inference_s"]) >= 16 for r in read),
        f"scores are Python's (largest difference {max(apart, default=9.0):.3g})": all(
            far <= 1e-5 for far in apart
        ),
        "each runtime says what ran": [(r.runtime.name, r.runtime.unit) for r in read]
        == [("onnxruntime", "cpu"), ("litert", "xnnpack+cpu")],
        "records say that they are emulated": all(r.device.emulated for r in read),
        "the device table names them and leaves them out": len(shown.rows) == 1
        and shown.rows[0][0] == "phones"
        and len(shown.conditions) == 2,
        "nothing is left on the device": set(Path("/data/local/tmp").glob("ralikit-*")) == before,
    }
    for check, good in checks.items():
        print(f"{'ok' if good else 'FAILED'} {check}")
    for record in read:
        print(f"   {record.runtime.name} {record.runtime.version}: {record.runtime.unit}")
    passed = sum(checks.values())
    print(f"{passed} passed, {len(checks) - passed} failed")
    return 0 if passed == len(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
