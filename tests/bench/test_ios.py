"""iPhones through stand-ins for Xcode's tools: what is kept, what is refused, and how."""

from __future__ import annotations

import json
import plistlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_xcode import FakeXcode
from typer.testing import CliRunner

from ralikit.bench.apple import Xcode, bundle_in, devices_in
from ralikit.bench.calls import DeviceError
from ralikit.bench.ios import IosPlan, bench_ios
from ralikit.bench.modes import MODES
from ralikit.bench.records import Record, seal, unseal
from ralikit.cli import app as cli
from ralikit.errors import UsageError

FIRST, SECOND = "00008130-000A11112222001E", "00008110-000B33334444001E"


@pytest.fixture
def xcode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeXcode:
    (tmp_path / "ios_demo/RaliDemo.xcodeproj").mkdir(parents=True)
    return FakeXcode(tmp_path, monkeypatch)


def written(*units: str, run: str = "RUN") -> str:
    """Bodies of records as the app writes them, a line a unit."""
    return "\n".join(json.dumps(_body(unit, run)) for unit in units or ("all",))


def _body(unit: str, run: str) -> dict[str, Any]:
    return {
        "schema": 2, "kind": "latency", "run": run, "time": "2026-11-27", "commit": "",
        "model": {
            "name": "mini", "hash": "a" * 64, "bundle": "b", "format": "coreml",
            "precision": "fp16", "size_bytes": 5, "weights": "trained", "input": [5, 256, 256, 3],
        },
        "device": {
            "kind": "phone", "name": "iPhone16,1", "os": "iOS 18.4.1", "chip": "iPhone16,1",
            "cores": 6, "memory_bytes": 8 << 30, "emulated": False,
        },
        "runtime": {
            "name": "coreml", "version": "iOS 18.4.1", "unit": unit, "threads": 0, "batch": 1,
        },
        "protocol": {
            "quick": True, "rounds": 4, "warmups": 5, "cooldown_s": 0.5, "command": "c", "note": "",
        },
        "samples": {"inference_s": [0.004] * 64},
        "figures": {"planned_operations_neural_engine": 41},
    }  # fmt: skip


def plan(xcode: FakeXcode, **changes: Any) -> IosPlan:
    return replace(IosPlan(project=xcode.root / "ios_demo", mode=MODES["rapid"]), **changes)


def measure(what: IosPlan) -> tuple[list[Record], list[str], str]:
    """The records, the warnings, and what it ended with ("" where all went well)."""
    records: list[Record] = []
    warnings: list[str] = []
    run = bench_ios(
        what, xcode=Xcode(), command=f"ralikit bench ios --device {FIRST}", warn=warnings.append
    )
    try:
        records.extend(run)
    except DeviceError as error:
        return records, warnings, str(error)
    return records, warnings, ""


def app(root: Path) -> Path:
    folder = root / "RaliDemo.app"
    folder.mkdir()
    told = {"CFBundleIdentifier": "io.github.ralikit.demo"}
    (folder / "Info.plist").write_bytes(plistlib.dumps(told))
    return folder


def test_the_benchmark_test_runs_on_every_device_and_its_records_are_kept(
    xcode: FakeXcode,
) -> None:
    home = xcode.attach(FIRST, written("cpu", "neural engine"))
    xcode.attach(SECOND, written("cpu", "neural engine"), marketingName="iPhone 13")
    records, warnings, ended = measure(plan(xcode, units=("cpu", "neural engine"), team="TEAM"))
    assert (warnings, ended) == ([], "")
    assert [r.runtime.unit for r in records] == ["cpu", "neural engine"] * 2
    assert records[0].run == records[1].run != records[2].run
    assert records[0].figures["planned_operations_neural_engine"] == 41
    assert unseal(seal(records[0]), where="here") == records[0]
    order = json.loads((home / "order").read_text())
    assert order["RALIKIT_BENCH"] == "rapid"
    assert order["RALIKIT_BENCH_RUNNER"] == "test"
    assert order["RALIKIT_BENCH_UNITS"] == "cpu,neural engine"
    assert order["RALIKIT_BENCH_COMMAND"] == "ralikit bench ios --device UDID"
    build = next(call for call in xcode.calls() if call[:2] == ["xcodebuild", "test"])
    assert build[build.index("-scheme") + 1] == "RaliBench"
    assert {"ENABLE_TESTABILITY=YES", "DEVELOPMENT_TEAM=TEAM"} <= set(build)


def test_a_built_app_is_installed_and_launched(xcode: FakeXcode) -> None:
    home = xcode.attach(FIRST, written())
    records, _, ended = measure(plan(xcode, app=app(xcode.root), udids=(f"CORE-{FIRST}",)))
    assert ([r.runtime.unit for r in records], ended) == (["all"], "")
    assert (home / "installed").read_text().endswith("RaliDemo.app")
    assert json.loads((home / "order").read_text())["RALIKIT_BENCH_RUNNER"] == "app"
    assert not [call for call in xcode.calls() if call[0] == "xcodebuild"]


def test_an_unplugged_device_takes_nothing_with_it_and_stops_no_other(xcode: FakeXcode) -> None:
    xcode.attach(FIRST, written())
    (xcode.attach(SECOND, written()) / "dies").touch()
    xcode.attach("00008101-0001", written())
    records, warnings, ended = measure(plan(xcode))
    assert len(records) == 2
    assert "1 of 3 device(s) did not finish; what was measured before is kept" in ended
    assert warnings == ["iPhone 15 Pro (2): xcodebuild test: ** TEST FAILED **"]


def test_what_a_failed_run_had_written_is_kept(xcode: FakeXcode) -> None:
    (xcode.attach(FIRST, written("cpu")) / "fails").touch()
    records, warnings, ended = measure(plan(xcode, units=("cpu",)))
    assert len(records) == 1
    assert "TEST FAILED" in warnings[0]
    assert "1 of 1" in ended


def test_a_broken_seal_is_refused(xcode: FakeXcode) -> None:
    (xcode.attach(FIRST, written()) / "broken").touch()
    records, warnings, _ = measure(plan(xcode))
    assert records == []
    assert "the device's record: the record was edited" in warnings[0]


def test_an_older_runs_record_is_not_taken_for_this_ones(xcode: FakeXcode) -> None:
    xcode.attach(FIRST, written(run="ios-of-yesterday"))
    records, warnings, _ = measure(plan(xcode))
    assert records == []
    assert "0 record(s) came for 1 compute unit(s)" in warnings[0]


def test_only_devices_of_ios_within_reach_are_measured(xcode: FakeXcode) -> None:
    xcode.attach(FIRST, written(), state="unavailable")
    xcode.attach(SECOND, written(), platform="watchOS")
    xcode.attach("00008101-0001", written(), reality="simulated")
    with pytest.raises(UsageError, match=r"no iPhone can be reached \(iPhone 15 Pro is unavail"):
        measure(plan(xcode))
    xcode.attach("00008101-0002", written(), state="disconnected")
    records, _, ended = measure(plan(xcode))
    assert (len(records), ended) == (1, "")
    with pytest.raises(UsageError, match="no iPhone 12345678 is known"):
        measure(plan(xcode, udids=("12345678",)))


def test_words_that_do_not_fit(xcode: FakeXcode, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no iPhone can be reached: plug one in"):
        measure(plan(xcode))
    for changes, said in (
        ({"units": ("npu",)}, "--units are some of all, cpu, gpu, neural engine"),
        ({"units": ("cpu", "cpu")}, "each once"),
        ({"project": xcode.root}, r"has no RaliDemo\.xcodeproj: say --project"),
        ({"app": xcode.root / "none.app"}, "is not there: build it in Xcode first"),
        ({"app": xcode.root / "ios_demo"}, "is no built app for iOS"),
    ):
        xcode.attach(f"0000000{len(xcode.devices)}", written())
        with pytest.raises(UsageError, match=said):
            measure(plan(xcode, **changes))
    (xcode.root / "bin/xcodebuild").unlink()
    monkeypatch.setenv("PATH", str(xcode.root / "bin"))
    with pytest.raises(UsageError, match="xcodebuild is not here: ralikit bench ios needs a Mac"):
        Xcode()


def test_the_commands_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for words, said in (
        (["ios"], "xcrun is not here: ralikit bench ios needs a Mac with Xcode 16"),
        (["android"], "say exported files, or --app with an installed app, one of the two"),
        (["android", "a.onnx", "--app", "b"], "one of the two"),
        (["android", "a.onnx"], "--program is missing: runtimes/c/README.md"),
    ):
        refused = CliRunner().invoke(cli, ["bench", *words]).exception
        assert isinstance(refused, UsageError)
        assert said in str(refused)


@pytest.mark.parametrize("listed", [None, [], {}, {"result": {}}, {"result": {"devices": {}}}])
def test_a_list_of_another_shape_is_refused(listed: object) -> None:
    with pytest.raises(DeviceError, match=r"no result\.devices"):
        devices_in(listed)


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {},
        {"hardwareProperties": 3, "connectionProperties": {}},
        {"hardwareProperties": {"platform": "iOS", "udid": "; ls"}, "connectionProperties": {}},
    ],
)
def test_an_entry_that_is_no_device_is_left_out(entry: object) -> None:
    assert devices_in({"result": {"devices": [entry]}}) == []


def test_an_app_without_a_name_is_refused(tmp_path: Path) -> None:
    folder = app(tmp_path)
    (folder / "Info.plist").write_bytes(plistlib.dumps({"CFBundleIdentifier": "a b"}))
    with pytest.raises(DeviceError, match="no bundle identifier"):
        bundle_in(folder)
