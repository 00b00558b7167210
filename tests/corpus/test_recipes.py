"""The recipes for other people's pipelines, where those are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_corpus import picture
from support_docs import script
from support_scorer import brightness_bundle

from ralikit.scorer import load

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(brightness_bundle(tmp_path_factory.mktemp("model") / "model").root)


def test_daft(tmp_path: Path, model: str) -> None:
    daft: Any = pytest.importorskip("daft", reason="Daft is not installed")
    files = [picture(i) for i in range(5)]
    frame = daft.from_pydict({"key": list("abcdef"), "image": [*files, b"no"]})
    found = script("examples/corpus_daft.py").with_scores(frame, model).to_pydict()["quality"]
    assert [row["key"] for row in found] == list("abcdef")
    assert [row["score"] for row in found[:5]] == [load(model).score(f).value for f in files]
    assert found[5]["error"].startswith("is no photo")


def test_nemo_curator(model: str) -> None:
    tasks: Any = pytest.importorskip("nemo_curator.tasks", reason="NeMo Curator is not installed")
    stage = script("examples/corpus_nemo_curator.py").QualityStage(model=model, at_least=3.0)
    images = [
        tasks.ImageObject(image_id=str(v), image_data=np.full((20, 30, 3), v, dtype=np.uint8))
        for v in (51, 204)
    ]
    broken = tasks.ImageObject(image_id="broken", image_data=None)
    batch = tasks.ImageBatch(dataset_name="d", data=[*images, broken])
    assert stage.validate_input(batch)
    stage.setup()
    after = stage.process(batch)
    assert [image.image_id for image in after.data] == ["204"]
    assert images[1].metadata["quality"] == pytest.approx(4.2, abs=1e-4)
    assert images[0].metadata["quality"] == pytest.approx(1.8, abs=1e-4)
    assert broken.metadata["quality_error"] == "there is no picture"
