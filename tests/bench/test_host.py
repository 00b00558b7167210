"""The host bench end to end on a made-up model: fresh processes, rounds, and what can go wrong."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import lively_tower, make_head

from ralikit.bench import device
from ralikit.bench.host import HostPlan, WorkerProcess, bench_host, only_bench
from ralikit.bench.records import Record
from ralikit.bench.stats import summarise
from ralikit.bench.worker import Worker
from ralikit.errors import RalikitError, UsageError
from ralikit.model.bundle import BundleInfo, TowerSpec, read_bundle, write_bundle
from ralikit.photo.views import Preprocess
from ralikit.report.bench import describe
from ralikit.runtimes import Many, Outputs, Runtime, Views
from ralikit.runtimes.torch import TorchRuntime


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tower = lively_tower()
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind="mobilenet_v2", config=tower.config(), weights="random"),
        preprocess=Preprocess(size=32, shortest_edge=40, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.1,
    )
    root = tmp_path_factory.mktemp("bench") / "tiny"
    weights = {k: v.numpy() for k, v in tower.state_dict().items()}
    write_bundle(root, info, tower=weights, head=make_head())
    return root


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def records(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(np.full((60, 80, 3), 99, np.uint8)).save(path)
    plan = HostPlan(files=(bundle, bundle), photo=path, quick=True, cooldown_s=0.0, warmups=1)
    return list(bench_host(plan, command="test"))


def test_a_record_holds_samples_of_every_round(records: list[Record]) -> None:
    assert len(records) == 2
    record = records[0]
    assert record.run == records[1].run
    assert set(record.samples["round"]) == set(range(8))
    assert len(record.samples["round"]) == len(record.samples["inference_s"])
    assert summarise(record.samples["inference_s"]).median > 0
    assert min(record.samples["end_to_end_s"]) > 0
    assert record.model.weights == "random"
    assert record.model.input == (2, 32, 32, 3)
    assert record.protocol.quick
    assert record.device.cores >= 1


def test_memory_is_the_workers_own(records: list[Record]) -> None:
    memory = records[0].memory
    assert memory is not None
    assert memory.peak_bytes >= memory.steady_bytes > 0
    assert memory.peak_bytes > 100e6  # torch alone takes more: it is not this process's file cache


def test_photos_in_one_call_score_as_one_by_one(bundle: Path) -> None:
    """Both ways to pool views; the tower sees all views of all photos at once."""
    opened = read_bundle(bundle)
    photos = list(np.random.default_rng(5).integers(0, 256, (3, 2, 32, 32, 3), dtype=np.uint8))
    runtime = TorchRuntime(opened)
    alone = [runtime.run(views) for views in photos]
    assert len(set(alone)) == 3
    np.testing.assert_allclose(runtime.run_many(photos), alone, atol=1e-5)
    runtime._folded.view_pool = "score"
    alone = [runtime.run(views) for views in photos]
    np.testing.assert_allclose(runtime.run_many(photos), alone, atol=1e-5)
    with pytest.raises(UsageError, match="takes uint8 views of shape"):
        runtime.run_many([photos[0][:1]])


def test_a_batch_is_timed_in_one_call_or_said_to_be_several(
    bundle: Path, photo: Path, tmp_path: Path
) -> None:
    worker = Worker()
    loaded = worker.load(str(bundle), "auto", 1, str(photo), batch=4)
    assert "one after another" not in loaded["note"]
    calls: list[int] = []
    runtime = worker.subject.runtime
    worker.subject = replace(worker.subject, runtime=_OneByOne(runtime, calls))
    call, note = worker.query(4)
    call()
    assert note == "the file takes one photo a call: 4 calls, one after another"
    assert len(calls) == 4

    plan = HostPlan(files=(bundle,), photo=photo, quick=True, cooldown_s=0.0, batches=(1, 4))
    one, four = bench_host(plan, command="test")
    assert (one.runtime.batch, four.runtime.batch) == (1, 4)
    assert one.run != four.run
    assert "4 photos a query" in describe(four)


class _OneByOne:
    def __init__(self, inner: Runtime, calls: list[int]) -> None:
        self.facts, self.name = inner.facts, inner.name
        self.note, self.unit = inner.note, inner.unit
        self.observer = inner.observer
        self.many: Many | None = None
        self._inner, self._calls = inner, calls

    def outputs(self, views: Views) -> Outputs:
        return self._inner.outputs(views)

    def run(self, views: Views) -> float:
        self._calls.append(1)
        return self._inner.run(views)


def test_a_file_that_cannot_be_loaded_is_one_sentence(photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    plan = HostPlan(files=(broken,), photo=photo, quick=True)
    with pytest.raises(RalikitError, match=r"broken\.onnx"):
        list(bench_host(plan, command="test"))


def test_a_dead_process_is_told_from_a_slow_one() -> None:
    with (
        WorkerProcess(1, module="ralikit.no_such_module") as worker,
        pytest.raises(RalikitError, match="died"),
    ):
        worker.ask("memory")


def test_two_benches_at_once_warn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    lock = tmp_path / "ralikit-bench.lock"
    warned: list[str] = []
    lock.write_text(str(os.getppid()))
    with only_bench(warned.append):
        pass
    assert "another bench" in warned[0]
    assert lock.exists()  # the other's lock is not ours to remove
    lock.write_text("999999999")
    with only_bench(warned.append):
        assert lock.read_text() == str(os.getpid())
    assert len(warned) == 1
    assert not lock.exists()


@pytest.mark.parametrize(
    "change", [{"files": ()}, {"threads": (0,)}, {"threads": ()}, {"warmups": -1}]
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        HostPlan(**{"files": (Path("x"),), "photo": Path("p"), **change})  # type: ignore[arg-type]


def test_this_computer_is_described() -> None:
    found = device.host()
    assert found.kind == "host"
    assert found.memory_bytes > 0
    assert device.state(device.state()).power_before
