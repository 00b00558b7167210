"""The demo app's benchmark through a fake adb: started, waited for, read, refused, cleaned up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_adb import FakePhones

from ralikit.bench.adb import Adb
from ralikit.bench.android_app import AppPlan, bench_app
from ralikit.bench.calls import DeviceError
from ralikit.bench.modes import MODES
from ralikit.bench.records import Device, Model, Protocol, RanBy, Record, seal
from ralikit.errors import UsageError

FILE = "ralikit-benchmark.jsonl"


@pytest.fixture
def phones(tmp_path: Path) -> FakePhones:
    return FakePhones(tmp_path)


def made_record(**device: Any) -> Record:
    told: dict[str, Any] = {
        "os": "Android 15",
        "chip": "SoC-1",
        "cores": 8,
        "memory_bytes": 1,
        "emulated": False,
    }
    return Record(
        kind="latency",
        run="RUN",
        time="2026-11-27T00:00:00Z",
        commit="",
        model=Model(
            name="mini",
            hash="0" * 64,
            bundle="",
            format="onnx",
            precision="int8",
            size_bytes=1,
            weights="trained",
        ),
        device=Device(kind="phone", name="Made Up 1", **(told | device)),
        runtime=RanBy(name="onnxruntime", version="1.29.0", unit="npu", threads=4),
        protocol=Protocol(quick=True, rounds=1, warmups=5, cooldown_s=0.0, command="c"),
        samples={"inference_s": [0.01] * 64},
    )


def attach(phones: FakePhones, serial: str, record: Record, *, then: str = "") -> Path:
    """A phone whose app seals that record under the run that it is told."""
    home = phones.attach(serial)
    (home / "unsealed").write_bytes(seal(record).rpartition(b',"sha256"')[0])
    phones.demo(
        home,
        f"""
        BODY=$(sed "s/RUN/$RUN/" $HERE/unsealed)
        HASH=$(printf '%s}}' "$BODY" | sha256sum | cut -c1-64)
        printf '%s,"sha256":"%s"}}\\n' "$BODY" "$HASH" >$HERE/app/{FILE}
        {then}""",
    )
    return home


def measure(phones: FakePhones, **changes: Any) -> tuple[list[Record], list[str], str]:
    """The records, the warnings, and what it ended with ("" where all went well)."""
    plan = AppPlan(mode=MODES["rapid"], pause_s=0.01, coolest_wait_s=0.05)
    records: list[Record] = []
    warnings: list[str] = []
    run = bench_app(replace(plan, **changes), adb=Adb(phones.adb), command="", warn=warnings.append)
    try:
        records.extend(run)
    except DeviceError as error:
        return records, warnings, str(error)
    return records, warnings, ""


def test_the_app_is_started_with_its_mode_and_its_record_is_read(phones: FakePhones) -> None:
    homes = [attach(phones, serial, made_record()) for serial in ("SECRET9", "SECRET8")]
    records, warnings, ended = measure(phones)
    assert (warnings, ended) == ([], "")
    assert [r.runtime.unit for r in records] == ["npu", "npu"]
    assert records[0].run == records[1].run
    for home in homes:
        started = (home / "started").read_text()
        assert "-n org.ralikit.demo.app/org.ralikit.demo.app.MainActivity" in started
        assert f"--es ralikit.bench rapid --es ralikit.run {records[0].run}" in started
        assert list((home / "app").iterdir()) == []
        assert not (home / "alive").exists()


def test_an_edited_record_is_refused(phones: FakePhones) -> None:
    attach(phones, "SECRET9", made_record(), then=f"sed -i 's/0.01/0.02/' $HERE/app/{FILE}")
    records, warnings, _ = measure(phones)
    assert records == []
    assert "the device's record: the record was edited" in warnings[0]


def test_an_older_record_is_waited_over(phones: FakePhones) -> None:
    attach(phones, "SECRET9", replace(made_record(), run="yesterday"))
    records, warnings, _ = measure(phones, longest_s=0.2)
    assert records == []
    assert "no record of org.ralikit.demo.app after 0.2 s" in warnings[0]


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (f'echo "$RUN: no model is open" >$HERE/app/{FILE}.error', "no model is open"),
        ("rm $HERE/alive", "ended without a record"),
        ('echo "Error: Activity class {x/y} does not exist."', "does not start, is it installed"),
    ],
)
def test_why_there_is_no_record(phones: FakePhones, then: str, said: str) -> None:
    phones.demo(phones.attach("SECRET9"), then)
    records, warnings, ended = measure(phones)
    assert records == []
    assert said in warnings[0]
    assert "1 of 1 device(s) did not finish" in ended


def test_an_unplugged_phone_stops_no_other(phones: FakePhones) -> None:
    phones.demo(phones.attach("SECRET9"), "touch $HERE/gone")
    attach(phones, "SECRET8", made_record())
    records, warnings, _ = measure(phones)
    assert len(records) == 1
    assert "not found" in warnings[0]
    assert "SECRET" not in warnings[0]


def test_an_emulator_that_does_not_say_so_is_refused(phones: FakePhones) -> None:
    home = attach(phones, "SECRET9", made_record())
    (home / "bin/uname").write_text("#!/bin/sh\necho x86_64\n")
    records, warnings, _ = measure(phones)
    assert records == []
    assert "it is emulated, which its record does not say" in warnings[0]


@pytest.mark.parametrize("app", ["a b", "a;reboot", "a/b", ""])
def test_an_id_that_is_none(phones: FakePhones, app: str) -> None:
    with pytest.raises(UsageError, match="--app is an application's id"):
        measure(phones, app=app)
