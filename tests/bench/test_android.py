"""Phones through a fake adb: what is measured, what is refused, and that nothing stays behind."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support_adb import MEASURED, FakePhones

import ralikit.models
from ralikit.bench import android
from ralikit.bench.adb import Adb
from ralikit.bench.android import AndroidPlan, bench_android
from ralikit.bench.calls import DeviceError
from ralikit.bench.measured import read_measured
from ralikit.bench.modes import MODES, mode_named
from ralikit.bench.records import Model, Record, seal, unseal
from ralikit.errors import UsageError
from ralikit.files import sha256_bytes, to_json

MINI = Path(ralikit.models.__file__).parent / "mini/scorer.onnx"


@pytest.fixture
def phones(tmp_path: Path) -> FakePhones:
    return FakePhones(tmp_path)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is opened here: what it would say of itself is made up."""

    def made_up(path: Path, photo: Path, folder: Path) -> Any:
        model = Model(
            name=path.stem,
            hash="0" * 64,
            bundle="",
            format="onnx",
            precision="int8",
            size_bytes=1,
            weights="random",
        )
        (folder / "views").write_bytes(b"views")
        return android._Subject(path=path, model=model, views=folder / "views", score=3.0)

    monkeypatch.setattr(android, "_subject", made_up)


def plan(phones: FakePhones, *names: str, **changes: Any) -> AndroidPlan:
    files = [phones.root / f"{name}.onnx" for name in names or ("a",)]
    for file in files:
        file.write_bytes(b"model")
    values = AndroidPlan(
        files=tuple(files),
        program=phones.root / "ralibench",
        library=phones.library,
        photo=phones.root / "photo.png",
        mode=MODES["quick"],
        pause_s=0.01,
        coolest_wait_s=0.05,
    )
    return replace(values, **changes)


def measure(phones: FakePhones, what: AndroidPlan) -> tuple[list[Record], list[str], str]:
    """The records, the warnings, and what it ended with ("" where all went well)."""
    records: list[Record] = []
    warnings: list[str] = []
    run = bench_android(
        what, adb=Adb(phones.adb), command="ralikit --device SECRET9", warn=warnings.append
    )
    try:
        records.extend(run)
    except DeviceError as error:
        return records, warnings, str(error)
    return records, warnings, ""


def left(home: Path) -> list[str]:
    return [path.name for path in (home / "tmp").iterdir()]


@pytest.mark.usefixtures("quickly")
def test_every_file_on_every_device(phones: FakePhones) -> None:
    homes = [phones.attach(serial) for serial in ("SECRET9", "SECRET8")]
    phones.program()
    records, warnings, ended = measure(phones, plan(phones, "a", "b"))
    assert (warnings, ended) == ([], "")
    assert sorted(r.model.name for r in records) == ["a", "a", "b", "b"]
    record = records[0]
    assert record.device.name == "Made Up 1"
    assert (record.device.os, record.device.chip) == ("Android 15", "SoC-1")
    assert not record.device.emulated
    assert record.runtime.unit == "nnapi+cpu"
    assert record.figures["nodes_NnapiExecutionProvider"] == 70
    assert record.state.thermal_before == "none"
    assert record.state.power_after == "battery 80 %, USB powered"
    assert [left(home) for home in homes] == [[], []]
    lines = b"".join(seal(r) for r in records)
    assert b"SECRET" not in lines
    assert unseal(seal(record), where="here") == record


@pytest.mark.usefixtures("quickly")
def test_an_unplugged_device_keeps_what_it_measured_and_stops_no_other(phones: FakePhones) -> None:
    home = phones.attach("SECRET9")
    other = phones.attach("SECRET8")
    second = (
        f'case "$4" in {home}/*) [ -e {home}/once ] && touch {home}/gone; touch {home}/once;; esac'
    )
    phones.program(then=second)
    records, warnings, ended = measure(phones, plan(phones, "a", "b"))
    assert sorted(r.model.name for r in records) == ["a", "a", "b"]
    assert "1 of 2 device(s) did not finish; what was measured before is kept" in ended
    assert len(warnings) == 1
    assert "not found" in warnings[0]
    assert "SECRET" not in warnings[0]
    assert left(other) == []


@pytest.mark.usefixtures("quickly")
def test_an_interrupted_run_ends_the_program_and_leaves_nothing(phones: FakePhones) -> None:
    home = phones.attach("SECRET9")
    phones.program(then=f"[ -e {home}/once ] && exec sleep 60; touch {home}/once")
    run = bench_android(
        plan(phones, "a", "b"), adb=Adb(phones.adb), command="", warn=lambda _: None
    )
    assert next(run).model.name == "a"
    run.close()  # what a KeyboardInterrupt in the caller's loop does
    assert left(home) == []


@pytest.mark.usefixtures("quickly")
def test_a_program_that_fails_leaves_nothing(phones: FakePhones) -> None:
    home = phones.attach("SECRET9")
    phones.program(then="echo 'ralibench: no NNAPI' >&2; exit 1")
    records, warnings, _ = measure(phones, plan(phones))
    assert records == []
    assert "ralibench: no NNAPI" in warnings[0]
    assert left(home) == []


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(
    ("file", "value", "said"),
    [("heat", "3", "still severe after 0.05 s"), ("level", "7", "battery 7 %, USB powered is too")],
)
def test_a_hot_or_empty_device_is_not_measured(
    phones: FakePhones, file: str, value: str, said: str
) -> None:
    home = phones.attach("SECRET9")
    (home / file).write_text(value)
    phones.program()
    records, warnings, _ = measure(phones, plan(phones))
    assert records == []
    assert said in warnings[0]


@pytest.mark.usefixtures("quickly")
def test_a_tflite_file_goes_with_litert_and_its_accelerators(phones: FakePhones) -> None:
    home = phones.attach("SECRET9")
    libraries = tuple(phones.root / name for name in ("libLiteRt.so", "libLiteRtGpu.so"))
    for number, library in enumerate(libraries):
        library.write_bytes(b"%d" % number)
    (phones.root / "a.tflite").write_bytes(b"model")
    phones.program(
        MEASURED | {"runtime": "litert", "version": "unknown", "nodes": {"xnnpack": 81, "cpu": 1}},
        then='cp "$LD_LIBRARY_PATH"/libLiteRtGpu.so "$(dirname "$1")/../../seen"',
    )
    what = plan(phones, files=(phones.root / "a.tflite",), litert=libraries, library=None)
    records, warnings, ended = measure(phones, replace(what, provider="gpu"))
    assert (warnings, ended) == ([], "")
    assert (records[0].runtime.name, records[0].runtime.unit) == ("litert", "xnnpack+cpu")
    assert records[0].figures["asked_for"] == "gpu"
    assert records[0].figures["library_sha256"] == sha256_bytes(b"0")
    assert (home / "seen").read_bytes() == b"1"
    assert not [line for line in (home / "log").read_text().splitlines() if "onnxruntime" in line]


@pytest.mark.usefixtures("quickly")
def test_a_device_is_asked_for_its_properties_once(phones: FakePhones) -> None:
    home = phones.attach("SECRET9")
    phones.program()
    measure(phones, plan(phones))
    assert (home / "log").read_text().count("getprop") == 1


@pytest.mark.usefixtures("quickly")
def test_another_processor_is_emulated(phones: FakePhones) -> None:
    phones.attach("SECRET9", machine="x86_64")
    phones.program()
    records, _, _ = measure(phones, plan(phones))
    assert records[0].device.emulated


def test_no_device_is_said(phones: FakePhones) -> None:
    phones.program()
    with pytest.raises(UsageError, match="no Android device is ready: plug one in"):
        list(bench_android(plan(phones), adb=Adb(phones.adb), command="", warn=print))
    phones.attach("SECRET9", state="unauthorized")
    with pytest.raises(UsageError, match="Up_1 is unauthorized"):
        list(bench_android(plan(phones), adb=Adb(phones.adb), command="", warn=print))


def test_words_that_do_not_fit(phones: FakePhones) -> None:
    with pytest.raises(UsageError, match="quick, rapid, final, not 'slow'"):
        mode_named("slow")
    with pytest.raises(UsageError, match="platform tools"):
        Adb(phones.root / "none")
    odd = phones.root / "lib litert.so"
    odd.write_bytes(b"library")
    phones.program()
    tflite = (Path("a.tflite"),)
    for changes, said in (
        ({"provider": "gpu"}, r"a\.onnx is one of cpu, xnnpack, nnapi, not 'gpu'"),
        ({"files": tflite}, r"a\.tflite needs --litert with libLiteRt\.so for the device"),
        ({"files": tflite, "provider": "nnapi"}, "is one of cpu, gpu, npu, not 'nnapi'"),
        ({"files": tflite, "litert": (odd, odd)}, "rename it to letters, digits"),
        ({"files": (Path("a.mlpackage"),)}, r"runs \.onnx and \.tflite files, not a\.mlpackage"),
        ({"program": Path("no")}, "--program no is not there"),
    ):
        with pytest.raises(UsageError, match=said):
            list(
                bench_android(plan(phones, **changes), adb=Adb(phones.adb), command="", warn=print)
            )


@pytest.mark.parametrize(
    "change",
    [
        {"inference_s": [0.01] * 15},
        {"inference_s": [0.01] * 15 + [-1.0]},
        {"inference_s": [0.01] * 15 + ["1"]},
        {"load_s": True},
        {"score": None},
        {"peak_bytes": 1.5},
        {"nodes": {}},
        {"nodes": {"a b": 1}},
        {"nodes": {"a": -1}},
        {"version": "\x1b[2J"},
        {"more": 1},
    ],
)
def test_what_no_program_of_ours_writes_is_refused(change: dict[str, Any]) -> None:
    assert read_measured(to_json(MEASURED), queries=16).score == 3.0
    with pytest.raises(DeviceError):
        read_measured(to_json(MEASURED | change), queries=16)


@pytest.mark.parametrize("text", ["", "[]", '{"score": NaN}', "[" * 2000, "{}"])
def test_no_measurement_at_all_is_refused(text: str) -> None:
    with pytest.raises(DeviceError):
        read_measured(text, queries=1)


def test_a_flood_from_the_device_is_cut(phones: FakePhones) -> None:
    phones.attach("SECRET9")
    with pytest.raises(DeviceError, match="more than 1,000 bytes"):
        Adb(phones.adb).shell("SECRET9", ["cat", "/dev/zero"], most=1000)
    with pytest.raises(DeviceError, match=r"no end after 0\.2 s"):
        Adb(phones.adb).shell("SECRET9", ["sleep", "20"], seconds=0.2)


@pytest.fixture(scope="module")
def ralibench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C program, built for this machine."""
    if "RALIKIT_ORT_HEADERS" not in os.environ:
        pytest.skip("RALIKIT_ORT_HEADERS names no folder with onnxruntime_c_api.h")
    sources = sorted((Path(__file__).parents[2] / "runtimes/c").glob("*.c"))
    program = tmp_path_factory.mktemp("ralibench") / "ralibench"
    headers = os.environ["RALIKIT_ORT_HEADERS"]
    strict = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        ["gcc", *strict, "-I", headers, *sources, "-o", program, "-ldl"],
        check=True,
    )
    return program


def library_of(package: str, pattern: str) -> Path:
    """A library out of a Python package's folder."""
    found = find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed")
    return next(Path(found.origin).parent.glob(pattern))


def measure_here(phones: FakePhones, what: AndroidPlan) -> Record:
    """The one record of a device that is this machine."""
    phones.attach("SECRET9", machine="x86_64")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(phones.root / "photo.png")
    records, warnings, _ = measure(phones, what)
    assert warnings == []
    assert records[0].figures["score"] == pytest.approx(records[0].figures["host_score"], abs=1e-5)
    assert len(records[0].samples["inference_s"]) >= 16
    assert records[0].device.emulated
    return records[0]


@pytest.mark.slow
def test_the_c_program_measures_mini_and_scores_as_python(
    phones: FakePhones, ralibench: Path
) -> None:
    library = library_of("onnxruntime", "capi/libonnxruntime.so.*")
    what = plan(phones, program=ralibench, library=library, files=(MINI,))
    record = measure_here(phones, what)
    assert (record.runtime.name, record.runtime.unit) == ("onnxruntime", "cpu")


@pytest.mark.slow
def test_the_c_program_measures_a_tflite_file_and_says_who_ran_it(
    phones: FakePhones, ralibench: Path, tmp_path: Path
) -> None:
    from support_tflite import tiny_facts, tiny_file

    from ralikit.export.targets.tflite.target import write_facts

    library = library_of("ai_edge_litert", "libLiteRt.so")
    file = tmp_path / "tiny.tflite"
    file.write_bytes(tiny_file("fp32"))
    write_facts(file, tiny_facts())
    what = plan(phones, program=ralibench, litert=(library,), files=(file,), provider="gpu")
    record = measure_here(phones, what)
    assert record.runtime.name == "litert"
    # There is no accelerator here: what was asked for is not what ran.
    assert record.runtime.unit.startswith("xnnpack")
    assert "gpu" not in record.runtime.unit
