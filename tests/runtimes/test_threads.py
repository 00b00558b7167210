"""A score does not depend on how many threads compute it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support_tflite import made_photos, tiny_facts, tiny_file

from ralikit.models import bundled
from ralikit.runtimes import Views, open_runtime

THREADS = (1, 2, 3)


def _scores(path: Path, photos: list[Views]) -> list[list[float]]:
    found = []
    for threads in THREADS:
        runtime = open_runtime(path, threads=threads)
        found.append([runtime.run(views) for views in photos])
    return found


def test_the_bundled_model_in_onnx_runtime() -> None:
    path = bundled().scorer
    if path is None:
        pytest.skip("the bundled model carries no file to score with")
    preprocess = bundled().info.preprocess
    shape = (preprocess.views, preprocess.size, preprocess.size, 3)
    rng = np.random.default_rng(0)
    photos = [rng.integers(low, 256, shape, dtype=np.uint8) for low in (0, 128)]
    one, *more = _scores(path, photos)
    assert one[0] != one[1]
    assert all(scores == one for scores in more)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_small_tower_in_litert(tmp_path: Path, precision: str) -> None:
    pytest.importorskip("ai_edge_litert")
    from ralikit.export.targets.tflite import target as tflite

    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_file(precision))
    tflite.write_facts(path, tiny_facts())
    one, *more = _scores(path, made_photos(6))
    assert len(set(one)) > 1
    assert all(scores == one for scores in more)
