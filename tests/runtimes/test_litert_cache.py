"""Packed weights in a file: the same scores, one file per model, and no chatter."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_tflite import made_photos, tiny_facts, tiny_file

from ralikit.errors import UsageError
from ralikit.export.targets.tflite import target as tflite
from ralikit.runtimes.litert import LiteRtRuntime


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("litert") / "tiny.tflite"
    path.write_bytes(tiny_file("fp32"))
    tflite.write_facts(path, tiny_facts())
    return path


def test_scores_are_the_interpreters_cold_and_warm(
    made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    views = made_photos(1)[0]
    wanted = LiteRtRuntime(made, threads=1).run(views)
    capfd.readouterr()
    for _ in range(2):
        runtime = LiteRtRuntime(made, threads=1, weight_cache=tmp_path / "cache")
        assert runtime.run(views) == pytest.approx(wanted, abs=1e-6)
        assert runtime.placement().partitions == 1
        del runtime
    assert capfd.readouterr() == ("", "")
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.stat().st_size > 1000


def test_another_model_of_the_same_name_gets_a_cache_of_its_own(made: Path, tmp_path: Path) -> None:
    LiteRtRuntime(made, weight_cache=tmp_path)
    other = tmp_path / "other" / made.name
    other.parent.mkdir()
    other.write_bytes(made.read_bytes())
    tflite.write_facts(other, {**tiny_facts(), "note": "not the same file"})
    LiteRtRuntime(other, weight_cache=tmp_path)
    assert len(list(tmp_path.glob("*.xnnpack"))) == 2


def test_a_folder_that_cannot_be_made_is_one_sentence(made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot keep packed weights"):
        LiteRtRuntime(made, weight_cache=tmp_path / "file")
