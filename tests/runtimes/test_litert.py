"""A .tflite file is run only if it is the one that was exported, and its score is a number."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from support_tflite import (
    SIZE,
    VIEWS,
    made_photos,
    tiny_facts,
    tiny_file,
    tiny_scorer,
    torch_scores,
)

from ralikit.errors import BundleError, UsageError
from ralikit.export.targets.tflite import target as tflite
from ralikit.export.targets.tflite.graph import Graph
from ralikit.runtimes import open_runtime
from ralikit.runtimes.digest import DIGEST_MARK, sealed
from ralikit.runtimes.litert import LiteRtRuntime, read_facts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("litert") / "tiny.tflite"
    path.write_bytes(tiny_file("fp32"))
    tflite.write_facts(path, tiny_facts())
    return path


def _copy(made: Path, folder: Path, data: bytes) -> Path:
    path = folder / made.name
    path.write_bytes(data)
    return path


def _resealed(data: bytes) -> bytes:
    return sealed(data, data.index(DIGEST_MARK) + len(DIGEST_MARK))


def test_the_runtime_gives_torchs_scores(made: Path) -> None:
    photos = made_photos(4)
    runtime = open_runtime(made, threads=1)
    assert runtime.name.startswith("ai-edge-litert ")
    assert runtime.facts.written == tiny_facts()
    scores = [runtime.run(views) for views in photos]
    assert scores == pytest.approx(torch_scores(tiny_scorer(), photos), abs=1e-5)


def test_loading_says_nothing(made: Path, capfd: pytest.CaptureFixture[str]) -> None:
    LiteRtRuntime(made, threads=1).run(made_photos(1)[0])
    assert capfd.readouterr() == ("", "")


def test_a_hundred_damaged_files_are_refused_before_native_code_sees_them(
    made: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    whole = made.read_bytes()
    for number in range(100):
        data = bytearray(whole)
        if number % 4 == 0:
            del data[rng.integers(0, len(data)) :]
        else:
            for _ in range(number % 4):
                data[rng.integers(0, len(data))] ^= 1 << rng.integers(0, 8)
        if data == whole:
            continue
        with pytest.raises(BundleError) as caught:
            read_facts(_copy(made, tmp_path, bytes(data)))
        assert "\n" not in str(caught.value)


def test_a_file_of_another_maker_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not made by ralikit export"):
        LiteRtRuntime(_copy(made, tmp_path, tiny_file("fp32")))
    with pytest.raises(BundleError, match="not a TFLite file"):
        LiteRtRuntime(_copy(made, tmp_path, b"PK\3\4 a zip file, by mistake"))
    with pytest.raises(BundleError, match="cannot read"):
        LiteRtRuntime(tmp_path / "absent.tflite")


def test_facts_that_do_not_fit_the_graph_are_refused(made: Path, tmp_path: Path) -> None:
    facts = tiny_facts()
    facts["preprocess"]["size"] = SIZE // 2
    path = _copy(made, tmp_path, made.read_bytes())
    tflite.write_facts(path, facts)
    with pytest.raises(BundleError, match="does not fit its own facts"):
        LiteRtRuntime(path)


def test_a_score_that_is_no_number_is_an_error(made: Path, tmp_path: Path) -> None:
    graph = Graph.read(made)
    bias = next(
        int(op.inputs[2])
        for op in graph.weighted()
        if graph.name(op.outputs[0]) == "tower.projection"
    )
    values = graph.constant(bias)
    assert values is not None
    graph.set_constant(bias, np.full_like(values, np.nan))
    runtime = LiteRtRuntime(_copy(made, tmp_path, _resealed(graph.pack())))
    with pytest.raises(BundleError, match="gave nan instead of a score"):
        runtime.run(made_photos(1)[0])


def test_views_of_another_shape_or_type_are_refused(made: Path) -> None:
    runtime = LiteRtRuntime(made)
    with pytest.raises(ValueError, match=r"takes uint8 views of shape \(2, 32, 32, 3\)"):
        runtime.run(np.zeros((VIEWS, SIZE, SIZE + 1, 3), np.uint8))
    with pytest.raises(ValueError, match="not float32"):
        runtime.run(np.zeros((VIEWS, SIZE, SIZE, 3), np.float32))


def test_no_threads_is_a_wrong_word(made: Path) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        LiteRtRuntime(made, threads=0)


def test_the_digest_is_a_sha256_that_others_can_check(made: Path) -> None:
    data = made.read_bytes()
    at = data.index(DIGEST_MARK) + len(DIGEST_MARK)
    blank = data[:at] + b"0" * 64 + data[at + 64 :]
    assert data[at : at + 64].decode() == hashlib.sha256(blank).hexdigest()
