"""Commands call nobody and leave nothing in the home folder that SECURITY.md does not name."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_docs import ROOT
from support_export import tiny_bundle
from support_silence import Run, run_silently, strace_works

COUNT = 32  # photos: the least that calibrates
HELD_S = 25  # seconds; ONNX Runtime's telemetry was seen to look its host up after 20


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny``, a bundle; ``photos``, and ``labels.csv`` of them."""
    root = tmp_path_factory.mktemp("inputs")
    tiny_bundle(root / "tiny")
    photos = root / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (60 + i, 90, 3), dtype=np.uint8) // (1 + i % 4)
        Image.fromarray(pixels).save(photos / f"p{i}.png")
        lines.append(f"p{i}.png,{1 + 4 * i / COUNT}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def export(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """An export, and the file it made."""
    folder = tmp_path_factory.mktemp("export")
    words = ["--precision", "fp32", "--calibration", str(inputs / "photos"), "--out", "out"]
    run = ralikit(folder / "run", "export", str(inputs / "tiny"), *words)
    return run, folder / "run" / "out" / "tiny-fp32.onnx"


def ralikit(folder: Path, *words: str, **environment: str) -> Run:
    return run_silently(folder, "-m", "ralikit", *words, **environment)


def check(run: Run, *places: str) -> None:
    """Nothing said or called, and nothing left in the home folder outside `places`."""
    assert run.code == 0, run.stderr
    assert run.calls == ()
    # How far it is, on a machine so busy that it takes longer than ten seconds.
    told = re.compile(r"ralikit: .+: (\d+%, about .+ left|.+ so far)")
    assert [line for line in run.stderr.splitlines() if not told.fullmatch(line)] == []
    named = re.findall(r"`~/([^`]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert set(places) <= set(named)
    assert [f for f in run.files if not any(f.startswith(f"{place}/") for place in places)] == []


def test_export(export: tuple[Run, Path]) -> None:
    check(export[0], ".cache/ralikit/export")


def test_verify(export: tuple[Run, Path], tmp_path: Path) -> None:
    check(ralikit(tmp_path / "run", "verify", str(export[1])))


def test_score(inputs: Path, tmp_path: Path) -> None:
    check(ralikit(tmp_path / "run", "score", str(inputs / "photos" / "p0.png")))


def test_bench(export: tuple[Run, Path], tmp_path: Path) -> None:
    check(ralikit(tmp_path / "run", "bench", "host", str(export[1]), "--quick"))


def test_eval_with_its_plots(export: tuple[Run, Path], inputs: Path, tmp_path: Path) -> None:
    labels = ["--meta", str(inputs / "labels.csv"), "--root", str(inputs / "photos")]
    words = ["--mos-range", "1,5", "--resamples", "20", "--out", "figures"]
    check(ralikit(tmp_path / "run", "eval", str(export[1]), *labels, *words), ".cache/matplotlib")


def test_openvino(inputs: Path, tmp_path: Path) -> None:
    if find_spec("openvino") is None:
        pytest.skip("the extra openvino is not installed")
    model = ROOT / "src/ralikit/models/mini/scorer.onnx"
    program = (
        "from pathlib import Path; from ralikit.runtimes.openvino import open_file; "
        f"open_file(Path({str(model)!r}), threads=1)"
    )
    check(run_silently(tmp_path / "run", "-c", program))


@pytest.mark.parametrize("home", ["/proc/none", ""])
def test_a_home_that_cannot_be_written_to_costs_no_line(
    inputs: Path, tmp_path: Path, home: str
) -> None:
    check(ralikit(tmp_path / "run", "score", str(inputs / "photos" / "p0.png"), HOME=home))


@pytest.mark.slow
@pytest.mark.skipif(not strace_works(), reason="native code's calls are seen by strace alone")
def test_a_scorer_held_open_looks_nothing_up(inputs: Path, tmp_path: Path) -> None:
    program = (
        "import ralikit, time; scorer = ralikit.load(threads=1); "
        f"scorer.score({str(inputs / 'photos' / 'p0.png')!r}); time.sleep({HELD_S})"
    )
    check(run_silently(tmp_path / "run", "-c", program))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["tflite", "coreml"])
def test_export_to_phones(inputs: Path, tmp_path: Path, target: str) -> None:
    for module in ("litert_torch", "coremltools"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    words = ["--calibration", str(inputs / "photos"), "--out", "out", "--precision", "fp16"]
    check(
        ralikit(tmp_path / "run", "export", str(inputs / "tiny"), "--target", target, *words),
        ".cache/ralikit/export",
    )


def test_the_witness_of_python_sees_a_look_up(tmp_path: Path) -> None:
    program = "import socket; socket.socket(2, 2).connect(('127.0.0.1', 9))"
    assert any("socket.connect" in call for call in run_silently(tmp_path, "-c", program).calls)


@pytest.mark.skipif(not strace_works(), reason="strace is not installed or not allowed")
def test_the_witness_of_native_code_sees_a_connection(tmp_path: Path) -> None:
    program = (
        "import ctypes; c = ctypes.CDLL(None); "
        r"c.connect(c.socket(2, 2, 0), b'\x02\0\0\x09\x7f\0\0\1' + bytes(8), 16)"
    )
    assert any("AF_INET" in call for call in run_silently(tmp_path, "-c", program).calls)
