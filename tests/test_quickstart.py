"""The quickstart: what it lacks it names at once, and its page begins with what was found."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from PIL import Image
from support_bench import made_up_record
from support_scorer import brightness_bundle

from ralikit.bench.records import RanBy
from ralikit.errors import MissingExtraError
from ralikit.files import to_json
from ralikit.models import bundled
from ralikit.quickstart import degradation_curves, quickstart
from ralikit.report.first_look import Curve, first_look
from ralikit.scorer import load


def test_all_that_is_missing_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    gone = {"litert_torch", "coremltools", "jinja2"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in gone else there(name, *a)
    )
    bundle = brightness_bundle(tmp_path / "bundle")
    with pytest.raises(MissingExtraError) as refused:
        quickstart(tmp_path / "out", bundle)
    said = str(refused.value)
    assert "needs litert_torch, coremltools, jinja2, which are not installed" in said
    assert said.endswith("install 'ralikit[tflite,coreml,bench]'")
    assert not (tmp_path / "out").exists()


def test_how_far_it_is_with_degraded_photos_is_told(tmp_path: Path) -> None:
    scorer = load(brightness_bundle(tmp_path / "bundle").root)
    photos = {name: Image.new("RGB", (24, 24), (90, 120, 60)) for name in ("a", "b")}
    told: list[float] = []
    curves = degradation_curves(scorer, photos, lambda _what, done: told.append(done))
    assert told == [0.0, 0.5]
    assert {curve.photo for curve in curves} == {"a", "b"}
    assert all(len(curve.scores) == 6 for curve in curves)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of one file that a runtime ran and one that ralikit's evaluator did."""
    tmp_path = tmp_path_factory.mktemp("page")
    bundle = brightness_bundle(tmp_path / "bundle")
    files = {"onnx": tmp_path / "m.onnx", "coreml": tmp_path / "m.mlpackage"}
    for file, photos in zip(files.values(), (200, 32), strict=True):
        file.write_bytes(b"x" * 3_100_000)
        parity = {"photos": photos, "max_drift": 0.0361, "p95_drift": 0.01, "srcc": 0.9998}
        file.with_name(f"{file.name}.ralikit.json").write_text(to_json({"parity": parity}))
    evaluator = RanBy(name="ralikit's", version="Core ML evaluator", unit="cpu", threads=1)
    samples = {"inference_s": [0.0123] * 4, "end_to_end_s": [0.0456] * 4}
    records = [
        made_up_record(samples=samples),
        made_up_record(samples={n: [9.876] * 4 for n in samples}, runtime=evaluator),
    ]
    photo = Image.new("RGB", (24, 24), (200, 120, 60))
    scorer = load(bundle.root)
    return first_look(
        tmp_path,
        bundle,
        scorer=scorer,
        photos={"a": photo},
        scores={"a": scorer.score(photo)},
        curves=[Curve("a", "blur", (4.0, 3.9, 3.95, 3.0, 2.0, 1.0))],
        files=files,
        verified={"onnx": 0.001, "coreml": 0.002},
        records=records,
    )


def test_the_page_begins_with_what_was_proved_and_what_it_costs(page: str) -> None:
    begins = page[page.index("In short") : page.index("Photos and their scores")]
    assert "each of the 2 files was run on 32 to 200 photos" in begins
    assert "no score lies more than 0.0361 from the float32 model" in begins
    assert "4 of 5 steps" in begins
    assert "3.1 MB a file, where float32 takes 0.0 MB" in begins  # 4 bytes a weight
    assert "to its score 46 ms" in begins


def test_an_evaluators_time_stands_for_no_runtimes(page: str) -> None:
    assert "12.3 ms" in page
    assert "9880 ms" not in page
    assert "9.88" not in page
    assert "ralikit&#39;s evaluator" in page


def test_float32_is_counted_wherever_a_bundle_keeps_its_weights() -> None:
    # The bundled model has no tower.safetensors: its weights lie in scorer.onnx.
    assert 15e6 < 4 * bundled().tower_numbers() < 16e6
